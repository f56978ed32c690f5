-- Whether the queue of a lane has a limit.
create or replace function goalpost.is_capped(_lane text) returns boolean language plpgsql stable as $$
begin
  return starts_with(_lane, 'queue:') and exists (
    select 1 from goalpost.lanes where lane = split_part(_lane, '+', 1) and max_running is not null);
end $$;
