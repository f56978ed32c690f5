-- Makes the table of vectors, once there is pgvector. Says what is in the way: 'missing', 'old <version>',
-- 'schema <where it is>'; null if nothing is.
create or replace function goalpost.open_vectors() returns text language plpgsql as $$
declare
  found_version text;
  found_schema  text;
begin
  if to_regclass('goalpost.document_vectors') is not null and to_regtype('vector') is not null then
    -- Tells whether the library can be loaded, too.
    perform '[1]'::vector;
    return null;
  end if;
  perform pg_advisory_xact_lock(7305801120462);
  if not exists (select from pg_extension where extname = 'vector') then
    if not exists (select from pg_available_extensions where name = 'vector') then
      return 'missing';
    end if;
    create extension if not exists vector;
  end if;
  select e.extversion, n.nspname into found_version, found_schema
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  if string_to_array(substring(found_version from '^\d+\.\d+'), '.')::int[] < array[0, 8] then
    return 'old ' || found_version;
  end if;
  if to_regtype('vector') is null then
    return 'schema ' || found_schema;
  end if;
  -- A chunk has a vector of a second model while its collection is embedded again. Who deletes chunks deletes their
  -- vectors, under the lock of the collection: foreign keys would take a quarter of the time that putting documents takes.
  create table if not exists goalpost.document_vectors (
    model_id      integer not null,
    collection_id bigint not null,
    document_id   bigint not null,
    ordinal       integer not null,
    embedding     vector not null,
    primary key (document_id, ordinal, model_id)
  );
  -- Vectors are no shorter compressed, and slower to compare where they are kept apart from their rows.
  alter table goalpost.document_vectors alter column embedding set storage main;
  create index if not exists document_vectors_by_collection on goalpost.document_vectors (collection_id, model_id);
  return null;
end $$;
