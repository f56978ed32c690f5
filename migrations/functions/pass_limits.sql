-- Counts a call in the buckets of its rate limits, if all of them have room: else milliseconds until they may. A call of
-- more tokens than fit into a bucket passes when that is empty. _limits: see reserve_call.
create or replace function goalpost.pass_limits(_limits json, _tokens bigint) returns double precision language plpgsql
as $$
declare
  _at      timestamptz := goalpost.now();
  _scopes  text[];
  _limited text[];
  _limit   record;
  _wait    double precision;
begin
  select array_agg(l.v->>0), array_agg(l.v->>0) filter (where coalesce(l.v->>1, l.v->>2) is not null)
  into _scopes, _limited from json_array_elements(_limits) l(v);
  select extract(epoch from max(r.held_until) - _at) * 1000 into _wait
  from goalpost.rate_limits r where r.scope = any(_scopes);
  if _wait > 0 then
    return _wait;
  elsif _limited is null then
    return 0;
  end if;
  insert into goalpost.rate_limits (scope, at) select s, _at from unnest(_limited) s order by 1 on conflict do nothing;
  _wait := 0;
  for _limit in
    select r.requests, r.tokens, greatest(0, extract(epoch from _at - r.at)) as passed,
      (l.v->>1)::double precision as per_minute, (l.v->>2)::double precision as tokens_per_minute
    from goalpost.rate_limits r
    cross join lateral (select v from json_array_elements(_limits) e(v) where v->>0 = r.scope limit 1) l
    where r.scope = any(_limited) order by r.scope for update of r
  loop
    _wait := greatest(_wait,
      (_limit.requests + 1 - _limit.per_minute) / _limit.per_minute * 60 - _limit.passed,
      (_limit.tokens + least(_tokens, _limit.tokens_per_minute) - _limit.tokens_per_minute)
        / _limit.tokens_per_minute * 60 - _limit.passed);
  end loop;
  -- What is left of rounding is not worth asking again.
  if _wait > 0.0005 then
    return _wait * 1000;
  end if;
  update goalpost.rate_limits r set at = greatest(r.at, _at),
    requests = case when l.v->>1 is null then 0 else
      greatest(0, r.requests - (l.v->>1)::double precision / 60 * greatest(0, extract(epoch from _at - r.at))) + 1 end,
    tokens = case when l.v->>2 is null then 0 else
      greatest(0, r.tokens - (l.v->>2)::double precision / 60 * greatest(0, extract(epoch from _at - r.at))) + _tokens end
  from json_array_elements(_limits) l(v)
  where r.scope = l.v->>0 and r.scope = any(_limited);
  return 0;
end $$;
