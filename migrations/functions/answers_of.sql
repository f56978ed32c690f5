-- What a task waited for and still waits for, oldest answer first:
--   [[key, kind, name, state, answer, by, note, child or null], …]; a child is [run, status, output, error, billed].
create or replace function goalpost.answers_of(_run uuid, _position int, _item int) returns json language plpgsql as $$
begin
  return (
    select json_agg(json_build_array(w.key, w.kind, w.name, w.state, w.answer, w.by, w.note,
      case when w.child_run_id is not null and w.state <> 'waiting'
        then json_build_array(w.child_run_id, c.status, c.output, c.error, c.billed) end) order by w.answer_no, w.key)
    from (select * from goalpost.waits where run_id = _run and position = _position and item = _item) w
    left join lateral (
      select status, output, error, billed from goalpost.runs
      where id = w.child_run_id and w.state <> 'waiting' offset 0) c on true);
end $$;
