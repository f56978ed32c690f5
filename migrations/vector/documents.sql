-- Collections of documents and their embedded chunks. Applied when documents are first used, because the type vector has to
-- be there; everything else works without it.
create table if not exists goalpost.embedding_models (
  id         int generated always as identity primary key,
  provider   text not null,
  model      text not null,
  dimensions int not null check (dimensions between 1 and 16000),
  constraint one_embedding_model_each unique (provider, model, dimensions)
);
create table if not exists goalpost.collections (
  name       text primary key,
  model_id   int references goalpost.embedding_models,
  created_at timestamptz not null
);
create table if not exists goalpost.documents (
  collection text not null references goalpost.collections on delete cascade,
  id         text not null,
  -- Of what was embedded, and how it was cut: an equal hash need not be embedded again.
  hash       text not null,
  metadata   jsonb not null check (jsonb_typeof(metadata) = 'object'),
  updated_at timestamptz not null,
  primary key (collection, id)
);
create table if not exists goalpost.chunks (
  id         bigint generated always as identity primary key,
  collection text not null,
  document   text not null,
  ordinal    int not null check (ordinal >= 0),
  -- Where it stands in the document, in UTF-16 units as JavaScript counts.
  start_at   int not null,
  end_at     int not null,
  text       text not null,
  hash       text not null,
  model_id   int not null references goalpost.embedding_models,
  -- Without a number of dimensions: the indexes cast, one for each model.
  embedding  vector not null,
  metadata   jsonb not null,
  words      tsvector generated always as (to_tsvector('simple', text)) stored,
  constraint chunks_in_order unique (collection, document, ordinal),
  foreign key (collection, document) references goalpost.documents on delete cascade
);
create index if not exists chunks_by_words on goalpost.chunks using gin (words);
create index if not exists chunks_by_metadata on goalpost.chunks using gin (metadata jsonb_path_ops);
create index if not exists chunks_by_hash on goalpost.chunks (hash, model_id);
