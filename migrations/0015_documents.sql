-- Documents that can be searched: texts in collections, cut into chunks. Their vectors are in a table of its own, which
-- goalpost.open_vectors() makes where pgvector is: all else works without.

-- The models by which texts were embedded; each has an index of its own over its vectors.
create table goalpost.document_models (
  id         integer generated always as identity primary key,
  provider   text not null,
  model      text not null,
  dimensions integer not null,
  unique (provider, model, dimensions),
  constraint vector_can_hold_them check (dimensions between 1 and 16000)
);

-- model_id: the model that all of its chunks are embedded by; null until there is one.
create table goalpost.document_collections (
  id          bigint generated always as identity primary key,
  name        text not null unique,
  model_id    integer references goalpost.document_models,
  chunk_count bigint not null default 0,
  created_at  timestamptz not null default goalpost.now(),
  constraint chunks_are_counted check (chunk_count >= 0),
  constraint chunks_have_a_model check (chunk_count = 0 or model_id is not null)
);

-- key: what its owner calls it. hash: of its text and of how it is cut; the same again is not embedded again.
create table goalpost.documents (
  id            bigint generated always as identity primary key,
  collection_id bigint not null references goalpost.document_collections on delete cascade,
  key           text not null,
  hash          text not null,
  metadata      jsonb not null,
  updated_at    timestamptz not null default goalpost.now(),
  unique (collection_id, key),
  constraint metadata_is_an_object check (jsonb_typeof(metadata) = 'object')
);
create index documents_by_metadata on goalpost.documents using gin (metadata jsonb_path_ops);

-- start_offset, end_offset: where in its document, in UTF-16 code units as in JavaScript.
create table goalpost.document_chunks (
  document_id   bigint not null references goalpost.documents on delete cascade,
  ordinal       integer not null,
  collection_id bigint not null,
  hash          text not null,
  start_offset  integer not null,
  end_offset    integer not null,
  text          text not null,
  words         tsvector not null generated always as (to_tsvector('english'::regconfig, text)) stored,
  primary key (document_id, ordinal),
  constraint starts_before_it_ends check (start_offset >= 0 and start_offset < end_offset)
);
-- Compressing them would take a fifth of the time that putting documents takes.
alter table goalpost.document_chunks alter column text set storage external, alter column words set storage external;
create index document_chunks_by_hash on goalpost.document_chunks (collection_id, hash);
create index document_chunks_by_words on goalpost.document_chunks using gin (words);
