-- A provider asked all who call one of its models to wait.
create or replace function goalpost.hold_back(_scope text, _wait_ms double precision) returns void language sql as $$
  insert into goalpost.rate_limits (scope, at, held_until)
  values (_scope, goalpost.now(), goalpost.now() + make_interval(secs => _wait_ms / 1000))
  on conflict (scope) do update set held_until = greatest(goalpost.rate_limits.held_until, excluded.held_until);
$$;
