-- Channels: named streams of messages, ordered by seq without gaps, in commit order.

-- The counter of each channel. Its row lock, held until the sender commits, is what makes seq gap-free and puts it in
-- commit order. The row outlives its messages: a cursor stays good after they were pruned.
create table goalpost.channels (
  name       text primary key,
  last_seq   bigint not null,
  created_at timestamptz not null,
  constraint name_is_a_name check (name ~ '^[A-Za-z_][A-Za-z0-9_.:-]*$' and char_length(name) <= 128),
  constraint last_seq_counts_messages check (last_seq > 0)
) with (fillfactor = 50);

create table goalpost.messages (
  channel text not null,
  seq     bigint not null,
  id      uuid not null,
  payload json not null,
  at      timestamptz not null,
  primary key (channel, seq),
  constraint seq_counts_from_one check (seq > 0)
);

-- What is sent without being stored: it waits here for some seconds until those who listen have read it. Unlogged, so
-- it costs no wait for the disk and is gone after a crash. after_seq is the channel's last message at that time; tx
-- tells a listener what it has not seen yet, in whatever order the senders commit.
create unlogged table goalpost.notices (
  ordinal   bigint generated always as identity primary key,
  channel   text not null,
  after_seq bigint not null,
  id        uuid not null,
  tx        xid8 not null default pg_current_xact_id(),
  payload   json not null,
  at        timestamptz not null,
  constraint name_is_a_name check (channel ~ '^[A-Za-z_][A-Za-z0-9_.:-]*$' and char_length(channel) <= 128),
  constraint after_seq_counts_messages check (after_seq >= 0)
) with (autovacuum_vacuum_scale_factor = 0.01);
create index notices_by_tx on goalpost.notices (channel, tx);
