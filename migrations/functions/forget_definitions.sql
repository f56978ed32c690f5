-- Removes definitions with their steps and edges; the caller has made sure that no run has them.
create or replace function goalpost.forget_definitions(_ids bigint[]) returns void language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
begin
  delete from goalpost.edges where definition_id = any(_ids);
  delete from goalpost.steps where definition_id = any(_ids);
  delete from goalpost.definitions where id = any(_ids);
end $$;
