import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Absurd } from "absurd-sdk";
import pg from "pg";
import { Pending } from "../pending.ts";
import type { System } from "../system.ts";

/** The schema of the release that package.json names. */
const SCHEMA = {
  url: "https://raw.githubusercontent.com/earendil-works/absurd/0.4.0/sql/absurd.sql",
  sha256: "c2ed3a301aa2a4782257843e514e8057c3049de5998ea8dc632a1a159464b51c",
};
const QUEUE = "peers";

export const system: System = {
  inFlight: 100,
  async open(database, { absurdSchema }) {
    const pool = new pg.Pool({ connectionString: database, max: 20 });
    if (!(await isThere(pool))) {
      await pool.query(await readSchema(absurdSchema));
    }
    const app = new Absurd({ db: pool, queueName: QUEUE });
    await app.createQueue(QUEUE);
    const pending = new Pending();
    app.registerTask<{ id: number; x: number }, number>({ name: "three_steps" }, async ({ id, x }, ctx) => {
      const a = await ctx.step("a", async () => x + 1);
      const b = await ctx.step("b", async () => a * 2);
      const c = await ctx.step("c", async () => b + 1);
      pending.done(id, c);
      return c;
    });
    // It polls: an interval below 10 ms only takes the processor away from the work.
    const worker = await app.startWorker({ concurrency: 50, pollInterval: 0.01 });
    return {
      run: (x) => pending.run((id) => app.spawn("three_steps", { id, x })),
      async close() {
        await worker.close();
        await pool.end();
      },
    };
  },
};

async function isThere(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query("select 1 from pg_namespace where nspname = 'absurd'");
  return rows.length > 0;
}

async function readSchema(file: string | null): Promise<string> {
  if (file !== null) {
    return readFileSync(file, "utf8");
  }
  const response = await fetch(SCHEMA.url).catch((error: unknown) => {
    throw new Error(`cannot fetch ${SCHEMA.url}; get it some other way and pass --absurd-schema FILE`, {
      cause: error,
    });
  });
  const text = await response.text();
  if (createHash("sha256").update(text).digest("hex") !== SCHEMA.sha256) {
    throw new Error(`${SCHEMA.url} (status ${response.status}) is not the schema that was expected`);
  }
  return text;
}
