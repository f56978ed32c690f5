-- Instances that share work: what each one serves, and the lanes that there are.

alter table goalpost.instances
  add column queues       text[] not null default '{}',
  add column capabilities text[] not null default '{}',
  -- It listens, has room, and found nothing more to take: worth waking.
  add column idle         boolean not null default false,
  add constraint key_when_locked check (not session_lock or lock_key is not null);
-- Empty while everybody is busy, and then the question whom to wake costs nothing.
create index instances_idle on goalpost.instances (worker) where idle;

-- The shared lanes that runs were ever stored in: a queue, and the capabilities that a worker needs to serve it.
-- Workers find those that they serve here: ready cannot be asked for them.
create table goalpost.lanes (
  lane        text primary key,
  queue       text not null,
  requires    text[] not null,
  max_running int,
  running     int not null default 0,
  constraint limit_is_positive check (max_running > 0),
  constraint running_is_counted check (running >= 0)
) with (fillfactor = 50);
create index lanes_by_queue on goalpost.lanes (queue);
