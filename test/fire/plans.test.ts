import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Queryable, Row } from "../../src/core/driver.ts";
import { shapeToRows } from "../../src/core/shape.ts";
import { putBack } from "../../src/store/instances.ts";
import { createDatabase } from "../contract/backends.ts";
import { diamond, SqlWorker } from "../contract/sql-worker.ts";
import { connect, prepareDatabase, TIMEOUT } from "./flow.ts";

const FINISHED_TASKS = 200_000;

/** Tables that grow with the work, and the column by which each may be read. */
const KEYS: Readonly<Record<string, string>> = {
  tasks: "run_id",
  ready: "lane",
  runs: "id",
  steps: "definition_id",
  edges: "definition_id",
  handouts: "worker",
  attempts: "run_id",
  checkpoints: "run_id",
  definitions: "(id|run_id|name)",
};
const SCAN = /^\s*(?:->\s+)?(.* Scan)(?: Backward)?(?: using \S+)? on (\w+)/;

/** What is wrong with a plan: a table that is read as a whole or not by its key, a join that needs all of it. */
function findFaults(plan: string): string[] {
  const lines = plan.split("\n");
  return lines.flatMap((line, index) => {
    const [, scan = "", table = ""] = SCAN.exec(line) ?? [];
    const key = KEYS[table];
    if (/(Hash|Merge) (\w+ )?Join/.test(line)) {
      return [line];
    }
    if (key === undefined || scan.startsWith("Tid")) {
      return [];
    }
    const details = lines.slice(index + 1);
    const end = details.findIndex((detail) => /^\s*->/.test(detail));
    const own = details.slice(0, end < 0 ? undefined : end);
    const condition = own.find((detail) => /Index Cond:/.test(detail));
    const byKey = new RegExp(`\\(${key} (=|<@)|\\b${key} =`).test(condition ?? "");
    // The index of something else that begins with the same column: a row is looked for among all that share it.
    const filter = own.find((detail) => /Filter: .*\(("position"|src|dst|name) = /.test(detail));
    const right = /^Index (Only )?Scan/.test(scan) && byKey && filter === undefined;
    return right ? [] : [`${line}${condition ?? ""}${filter ?? ""}`];
  });
}

/** A connection that notes the plan of every statement, those inside functions included. */
class ExplainedConnection implements Queryable {
  readonly plans: string[] = [];
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on("notice", ({ message }) => {
      if (message?.includes("plan:")) {
        this.plans.push(message);
      }
    });
  }

  static async open(url: string): Promise<ExplainedConnection> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query(
      `load 'auto_explain'; set auto_explain.log_nested_statements = on; set auto_explain.log_min_duration = 0;
       set client_min_messages = log`,
    );
    return new ExplainedConnection(client);
  }

  async query<R extends Row>(text: string, values?: readonly unknown[]): Promise<R[]> {
    const { rows } = await this.#client.query(text, values ? [...values] : undefined);
    return rows as R[];
  }

  faults(): string[] {
    return this.plans.flatMap((plan) => findFaults(plan).map((fault) => `${fault}\nof ${plan}`));
  }
}

/** Everything an exchange can do: start, claim, complete, retry, release, remember, grow, fail, repeat, put back. */
async function exercise(db: ExplainedConnection): Promise<void> {
  const worker = new SqlWorker(db);
  for (let round = 0; round < 3; round++) {
    await worker.start(diamond);
    await worker.start(diamond);
    const [a, b] = (await worker.exchange({ room: 2 })).tasks;
    if (!a || !b) {
      throw new Error("there was nothing to claim");
    }
    await worker.exchange({ marks: [{ task: a, key: "k", value: 1 }] });
    await worker.exchange({ reports: [{ task: b, outcome: "retry", payload: { message: "again" } }] });
    const again = await worker.claim();
    await worker.exchange({ reports: [{ task: again, outcome: "released" }], closed: [worker.seq] });
    const next = await worker.complete([a], null, 4);
    await worker.exchange({ seq: worker.seq, room: 4 });
    await putBack(db, { worker: worker.id, status: "lost", maxLosses: 5 });
    const back = await worker.exchange({ room: next.tasks.length });
    await worker.complete(back.tasks, null);
    const [last] = (await worker.exchange({ room: 1 })).tasks;
    if (last) {
      await worker.exchange({
        reports: [{ task: last, outcome: "failed", payload: { message: "for good" } }],
      });
    }
  }
}

/** Runs of four tasks each that ended long ago, as the engine leaves them. */
async function fill(db: Queryable): Promise<void> {
  await db.query("select goalpost.ensure_definition('filled', 'hash', 'static', $1::json)", [
    JSON.stringify(shapeToRows(diamond.shape)),
  ]);
  await db.query(
    `with run as (
      insert into goalpost.runs (id, definition_id, workflow, source, status, execution, lane, prio, key, root_run_id,
        input, output, created_at, finished_at)
      select g.id, d.id, 'filled', 'static', 'completed', 'distributed', 'filled', 0, 1, g.id, '1', '{}', now(), now()
      from (select gen_random_uuid() as id from generate_series(1, $1::int / 4)) g, goalpost.definitions d
      where d.hash = 'hash' returning id, definition_id)
    insert into goalpost.tasks (run_id, position, item, definition_id, status, deps_left, delivery, started_at,
      finished_at, output)
    select id, position, -1, definition_id, 'completed', 0, 1, now(), now(), '1'
    from run, generate_series(0, 3) position`,
    [FINISHED_TASKS],
  );
}

describe("statements inside an exchange look up by key", () => {
  test("in a database that is fresh", TIMEOUT, async () => {
    const url = await createDatabase();
    await prepareDatabase(connect(url));
    const db = await ExplainedConnection.open(url);
    await exercise(db);
    expect(db.faults()).toEqual([]);
    expect(db.plans.length).toBeGreaterThan(100);
  });

  test(
    "with 200,000 finished tasks, in old and in new sessions, with statistics and without",
    TIMEOUT,
    async () => {
      const url = await createDatabase();
      const driver = connect(url);
      await prepareDatabase(driver);
      const old = await ExplainedConnection.open(url);
      await exercise(old);
      await fill(driver);
      await exercise(old);
      expect(old.faults(), "in a session that was there before").toEqual([]);
      for (const statistics of [false, true]) {
        if (statistics) {
          await driver.query("analyze");
        }
        const db = await ExplainedConnection.open(url);
        await exercise(db);
        expect(db.faults(), `statistics: ${statistics}`).toEqual([]);
      }
    },
  );
});
