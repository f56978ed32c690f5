import { checkpoint, runOn } from "./with-postgres.ts";

/** Where the rows of a crowd stand: done with, or in a lane with a priority and an order in it. */
export interface Crowd {
  readonly runs: number;
  /** Name of a workflow that has been run in this database. */
  readonly workflow: string;
  /** Null: the runs are finished. */
  readonly ready: { readonly lane: string; readonly prio: number; readonly inMs: number } | null;
}

/**
 * Fills a database with runs, as the engine would have stored them, but by one statement for each table. Their ids are
 * older than those of any run to come. Nothing is vacuumed or analysed: that is left to the server, as in real life.
 */
export async function addCrowd(database: string, { runs, workflow, ready }: Crowd): Promise<void> {
  const id = "('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid";
  const finished = ready === null;
  const definition = `(select id from goalpost.definitions where name = '${workflow}')`;
  await runOn(
    database,
    `insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key,
       root_run_id, input, output, created_at, finished_at)
     select ${id}, d.id, '${workflow}', 'static', '${finished ? "completed" : "running"}', 'local',
       '${ready?.lane ?? "instance:gone"}', ${ready?.prio ?? 0}, i, ${id}, '{"x":1}',
       ${finished ? `'{"c":5}'` : "null"}, now() - interval '1 day', ${finished ? "now()" : "null"}
     from generate_series(1, ${runs}) i, goalpost.definitions d where d.name = '${workflow}'`,
  );
  await runOn(
    database,
    `insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, delivery, worker,
       started_at, finished_at, output)
     select ${id}, s.position, -1, s.definition_id,
       ${finished ? "'completed', 0, 1" : "case when s.dependencies = 0 then 'ready' else 'waiting' end, s.dependencies, 0"},
       ${finished ? `gen_random_uuid(), now(), now(), '5'` : "null, null, null, null"}
     from generate_series(1, ${runs}) i, goalpost.steps s where s.definition_id = ${definition}
     order by i, s.position`,
  );
  if (ready) {
    await runOn(
      database,
      `insert into goalpost.ready (lane, prio, key, rank, run_id, position, item, to_lane)
       select '${ready.inMs > 0 ? "@" : ready.lane}', ${ready.prio},
         ${ready.inMs > 0 ? `extract(epoch from now()) + ${ready.inMs / 1000} + i` : "i"}, s.rank, ${id}, s.position, -1,
         ${ready.inMs > 0 ? `'${ready.lane}'` : "null"}
       from generate_series(1, ${runs}) i, goalpost.steps s
       where s.definition_id = ${definition} and s.dependencies = 0`,
    );
  }
  await checkCrowd(database, { runs, workflow, ready });
  await checkpoint(database);
}

/** @throws if the crowd is not there, or not there any more */
export async function checkCrowd(database: string, { runs, ready }: Crowd): Promise<void> {
  const table = ready ? "ready" : "tasks";
  const [row] = await runOn(database, `select count(*)::int as count from goalpost.${table}`);
  if (Number(row?.count) < runs) {
    throw new Error(`goalpost.${table} has ${row?.count} rows of a crowd of ${runs}`);
  }
}
