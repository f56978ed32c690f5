-- Agents: named recipients with a durable inbox.

create table goalpost.agents (
  name         text primary key,
  description  text not null,
  capabilities text[] not null,
  created_at   timestamptz not null,
  constraint name_is_a_name check (name ~ '^[A-Za-z_][A-Za-z0-9_.:-]*$' and char_length(name) <= 122)
);

-- Which workers handle the messages of an agent.
create table goalpost.agent_hosts (
  worker      uuid not null,
  agent       text not null,
  concurrency int not null,
  since       timestamptz not null,
  primary key (worker, agent),
  constraint concurrency_is_positive check (concurrency > 0)
);
create index agent_hosts_by_agent on goalpost.agent_hosts (agent);

-- The messages of one sender to one agent, in order. What is handed out, to one worker at a time, is a stream: so its
-- messages are handled one after the other, whoever handles them. last_seq and done_seq count: a message is handled if
-- its seq is not above done_seq, and so no row of its own is written for that. A stream that is gone has nothing left
-- to handle. ready_at: when its next message may be handed out; null while it is held, or has none.
-- sender: '?' and the message's id where nobody is named; such a stream is of one message.
create table goalpost.agent_streams (
  id       bigint generated always as identity primary key,
  agent    text not null,
  sender   text not null,
  last_seq bigint not null default 0,
  done_seq bigint not null default 0,
  ready_at timestamptz,
  worker   uuid,
  -- The call that handed it out to the worker; how often it was handed out, which only fences.
  call     bigint,
  delivery bigint not null default 0,
  held_at  timestamptz,
  constraint done_after_sent check (done_seq <= last_seq),
  constraint held_by_a_worker check (num_nulls(worker, call, held_at) in (0, 3)),
  constraint held_or_ready check (worker is null or ready_at is null),
  constraint ready_when_waiting check (worker is not null or (last_seq > done_seq) = (ready_at is not null))
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
create unique index agent_streams_by_sender on goalpost.agent_streams (agent, sender);
create index agent_streams_ready on goalpost.agent_streams (agent, ready_at, id) where ready_at is not null;
create index agent_streams_held on goalpost.agent_streams (worker) where worker is not null;

create table goalpost.agent_messages (
  id           text primary key,
  ordinal      bigint generated always as identity,
  stream       bigint not null,
  seq          bigint not null,
  agent        text not null,
  sender       text,
  type         text not null,
  conversation text,
  payload      json not null,
  -- Somebody waits for the reply: a client, to be told of it, or a task, by a signal to its run.
  wants_reply  boolean not null,
  asker        uuid,
  reply_run    uuid,
  reply_signal text,
  reply        json,
  failures     int not null default 0,
  losses       int not null default 0,
  -- There are values of ctx.once.
  marked       boolean not null default false,
  error        json,
  dead_at      timestamptz,
  at           timestamptz not null,
  constraint seq_counts_from_one check (seq > 0),
  constraint replied_when_asked check (reply is null or wants_reply),
  constraint dead_for_a_reason check (dead_at is null or error is not null),
  constraint dead_without_reply check (dead_at is null or reply is null),
  constraint signal_of_a_run check ((reply_run is null) = (reply_signal is null))
) with (fillfactor = 90);
create unique index agent_messages_by_stream on goalpost.agent_messages (stream, seq);
create index agent_messages_by_agent on goalpost.agent_messages (agent, ordinal);
create index agent_messages_dead on goalpost.agent_messages (agent, ordinal) where dead_at is not null;

-- What ctx.once remembers while a message is handled.
create table goalpost.agent_checkpoints (
  message text not null,
  key     text not null,
  value   json not null,
  at      timestamptz not null,
  primary key (message, key)
);
