-- Compact runs: while nothing unusual happens to a local run, its tasks are not stored as rows. What its owner has
-- completed stands in the journal; the rest follows from the definition: see compact_tasks. Whoever needs the rows
-- calls inflate() first.
-- journal: null for all other runs; else [epoch, [[position, output], …]], for each call that settled tasks of the run.
-- journal_seq: the number of the owner's last call that added to it.
alter table goalpost.runs
  add column journal text,
  add column journal_seq bigint not null default 0;

-- Compact runs that the call stored: their tasks are the worker's until it closes the hand-out.
alter table goalpost.handouts
  add column compact uuid[];

-- It takes one more argument now: functions are told apart by those.
drop function if exists goalpost.exchange(uuid, bigint, int, text[], boolean, boolean, bigint[], json, json, json, json, json,
  json, json, json, json, timestamptz);
