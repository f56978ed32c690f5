-- Lets go of the streams that a stopped or lost worker held. Of each, the message that it was at is counted a loss; past
-- _max_losses it is a dead letter, POISON. The caller holds the worker's lock. Before the locks of tasks.
create or replace function goalpost.put_back_mail(_worker uuid, _status text, _max_losses int) returns void
language plpgsql as $$
declare
  _held   record;
  _agents text;
  _dead   json := '[]';
begin
  if _status = 'stopped' then
    delete from goalpost.agent_hosts where worker = _worker;
  end if;
  for _held in select id, agent, done_seq, last_seq from goalpost.agent_streams where worker = _worker order by id for update
  loop
    if _status = 'lost' then
      with head as (
        update goalpost.agent_messages m set losses = m.losses + 1
        from (select n.id from goalpost.agent_messages n where n.stream = _held.id and n.seq > _held.done_seq
          order by n.seq limit 1) n
        where m.id = n.id
        returning m.id, m.seq, m.losses),
      poisoned as (
        select h.id, h.seq, h.losses from head h where h.losses > _max_losses)
      select coalesce((select p.seq from poisoned p), _held.done_seq) as done_seq, (select p.id from poisoned p) as poison,
        _held.id, _held.agent, _held.last_seq
      into _held;
      if _held.poison is not null then
        update goalpost.agent_messages m set dead_at = goalpost.now(), error = json_build_object('code', 'POISON',
          'message', format('message %s to agent "%s" was lost with its worker %s times: it may be killing the process',
            m.id, m.agent, m.losses))
        where m.id = _held.poison;
        perform goalpost.answer_askers(json_build_array(json_build_array(_held.id, 0, _held.poison, 'dead')));
      end if;
    end if;
    update goalpost.agent_streams set worker = null, call = null, held_at = null, done_seq = _held.done_seq,
      ready_at = case when _held.last_seq > _held.done_seq then goalpost.now() end
    where id = _held.id;
    _agents := concat_ws(' ', _agents, _held.agent);
  end loop;
  if _agents is not null then
    perform pg_notify('goalpost_agents', 'w ' || case when length(_agents) > 7000 then '*' else _agents end);
  end if;
end $$;
