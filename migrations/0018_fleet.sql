-- Databases that learn from each other through a hub. Any database can be both: a source, and the hub of others.

-- A source's side: what it is called, and how far it is with its hub. seq counts its publications; acked is the last
-- one that the hub has merged.
create table goalpost.fleet_self (
  only_row boolean primary key default true,
  source   uuid not null,
  hub      uuid,
  seq      bigint not null default 0,
  acked    bigint not null default 0,
  constraint there_is_one_row check (only_row),
  constraint acked_was_published check (acked between 0 and seq)
);

-- Publications that the hub has not acknowledged. They are written with the marks of what they hold.
create table goalpost.fleet_outbox (
  seq     bigint primary key,
  body    json not null,
  sent_at timestamptz
);

-- What was published of each kind of work, as a stamp of the statistics then.
create table goalpost.fleet_published (
  topic text not null,
  kind  text not null,
  model text not null,
  stamp text not null,
  seq   bigint not null,
  primary key (topic, kind, model)
);

-- What the hub sent last and passed the checks; version 0: nothing did yet. read_seq is the last message that was read.
create table goalpost.fleet_guidance (
  only_row   boolean primary key default true,
  hub        uuid not null,
  read_seq   bigint not null,
  version    bigint not null,
  body       json not null,
  applied_at timestamptz not null,
  constraint there_is_one_row check (only_row),
  constraint version_was_read check (version between 0 and read_seq)
);

-- What was ignored, on either side: by whom it was sent, and why.
create table goalpost.fleet_ignored (
  sender  text not null,
  reason  text not null,
  count   bigint not null,
  last_at timestamptz not null,
  primary key (sender, reason)
);

-- The hub's side. read_seq is the last message that it merged, digest tells whether there is something new to say.
create table goalpost.fleet_hub (
  only_row boolean primary key default true,
  id       uuid not null,
  read_seq bigint not null default 0,
  version  bigint not null default 0,
  digest   text not null default '',
  constraint there_is_one_row check (only_row)
);

create table goalpost.fleet_sources (
  source   uuid primary key,
  seq      bigint not null,
  heard_at timestamptz not null
);

-- The newest that each source has said of each kind of work. A later publication replaces an earlier one, whatever
-- order they arrive in, and however often.
create table goalpost.fleet_evidence (
  source uuid not null,
  topic  text not null,
  kind   text not null,
  model  text not null,
  seq    bigint not null,
  body   text not null,
  primary key (source, topic, kind, model)
);
