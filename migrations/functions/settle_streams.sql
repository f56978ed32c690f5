-- Notes up to where streams are handled, and lets go of those that their worker is done with.
create or replace function goalpost.settle_streams(_worker uuid, _reports json) returns void language plpgsql as $$
begin
  with report as materialized (
    select (r.head->>0)::bigint as id, (r.head->>1)::bigint as delivery, (r.head->>2)::bigint as done_seq,
      r.head->>3 as word, (r.head->>4)::double precision as ms, _worker as worker
    from goalpost.read_mail(_reports, null) r)
  update goalpost.agent_streams s set
    done_seq = greatest(s.done_seq, r.done_seq),
    worker = case when r.word = 'hold' then s.worker end,
    call = case when r.word = 'hold' then s.call end,
    held_at = case when r.word = 'hold' then s.held_at end,
    ready_at = case when r.word <> 'hold' and s.last_seq > greatest(s.done_seq, r.done_seq)
      then goalpost.now() + make_interval(secs => r.ms / 1000) end
  from report r
  where s.id = r.id and s.worker = r.worker and s.delivery = r.delivery;
  -- Where nobody was named as the sender, nothing more will come.
  delete from goalpost.agent_streams s
  using (select (r.head->>0)::bigint as id from goalpost.read_mail(_reports, null) r) r
  where s.id = r.id and s.worker is null and s.done_seq = s.last_seq and starts_with(s.sender, '?');
end $$;
