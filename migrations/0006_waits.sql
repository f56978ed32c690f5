-- What suspended tasks wait for. A row is written when its task is parked, and kept: a function that is called again
-- from its top is answered from here. No row changes but under the lock of its task's row.
--
-- state: waiting, then answered (the time is over, the signal came, the child ended), timed_out (a signal that did not
-- come in time), approved or rejected. answer_no counts a task's answers in the order in which they came: in that order
-- they are given to the function every time. awaited: the task's last parking was, among others, for this; an answer
-- wakes the task only then, and only then a signal is spent on it.
create table goalpost.waits (
  run_id       uuid not null,
  position     int not null,
  item         int not null,
  key          text not null,
  kind         text not null,
  name         text,
  state        text not null default 'waiting',
  awaited      boolean not null default true,
  answer_no    int,
  due_at       timestamptz,
  child_run_id uuid,
  answer       json,
  by           text,
  note         text,
  created_at   timestamptz not null,
  answered_at  timestamptz,
  primary key (run_id, position, item, key),
  constraint kind_is_known check (kind in ('sleep', 'signal', 'approval', 'child')),
  constraint state_is_known check (state in ('waiting', 'answered', 'timed_out', 'approved', 'rejected')),
  constraint state_fits_kind check (case kind
    when 'approval' then state in ('waiting', 'approved', 'rejected')
    when 'signal' then state in ('waiting', 'answered', 'timed_out')
    else state in ('waiting', 'answered') end),
  constraint answers_are_counted check ((state = 'waiting') = (answer_no is null)),
  constraint answers_have_a_time check ((state = 'waiting') = (answered_at is null)),
  constraint sleeps_end check (kind <> 'sleep' or due_at is not null),
  constraint signals_have_names check (kind <> 'signal' or name is not null),
  constraint children_have_runs check ((kind = 'child') = (child_run_id is not null)),
  constraint decisions_have_deciders check ((state in ('approved', 'rejected')) = (by is not null))
);
create index waits_by_child on goalpost.waits (child_run_id) where child_run_id is not null;
create index waits_for_signals on goalpost.waits (run_id, name, created_at) where kind = 'signal' and state = 'waiting';

-- Signals are kept; each is spent on one wait, in the order in which they came.
create table goalpost.signals (
  run_id            uuid not null,
  name              text not null,
  seq               bigint generated always as identity,
  payload           json not null,
  consumed_position int,
  consumed_item     int,
  consumed_key      text,
  at                timestamptz not null,
  primary key (run_id, name, seq),
  constraint consumed_by_one_wait check (num_nulls(consumed_position, consumed_item, consumed_key) in (0, 3))
);
create index signals_kept on goalpost.signals (run_id, name, seq) where consumed_position is null;
