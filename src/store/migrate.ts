import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Driver, Queryable } from "../core/driver.ts";
import { GoalpostError } from "../core/errors.ts";

/** Any two programs that migrate goalpost's schema take turns by this advisory lock. */
const MIGRATION_LOCK = 7_305_801_120_461;

interface Script {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** What a migration did. */
export interface MigrationReport {
  /** Migrations applied, in order. */
  readonly applied: readonly string[];
  /** Functions created or replaced. */
  readonly functions: readonly string[];
}

/**
 * Brings schema `goalpost` up to this version: tables by numbered files, applied once, one transaction each;
 * functions by one file each, applied again when its text changes. Programs that migrate at once take turns.
 * @throws DATABASE_AHEAD if the database was migrated by a newer version
 * @throws INVALID_STATE if a file that was applied has changed since
 */
export async function migrate(driver: Driver): Promise<MigrationReport> {
  const tables = readScripts(new URL("../../migrations/", import.meta.url));
  const functions = readScripts(new URL("../../migrations/functions/", import.meta.url));
  if (await isCurrent(driver, [...tables, ...functions])) {
    return { applied: [], functions: [] };
  }
  await prepare(driver);
  const applied: string[] = [];
  for (const script of tables) {
    if (await applyTables(driver, script, tables)) {
      applied.push(script.name);
    }
  }
  return { applied, functions: await applyFunctions(driver, functions) };
}

function readScripts(folder: URL): Script[] {
  return readdirSync(fileURLToPath(folder))
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), "utf8");
      return {
        name: file.slice(0, -".sql".length),
        sql,
        checksum: createHash("sha256").update(sql).digest("hex"),
      };
    });
}

/** One look without a lock: the usual case is that there is nothing to do. */
async function isCurrent(driver: Driver, scripts: readonly Script[]): Promise<boolean> {
  const there = await driver.query(
    "select 1 from pg_tables where schemaname = 'goalpost' and tablename = 'migrations'",
  );
  if (there.length === 0) {
    return false;
  }
  const known = await readApplied(driver);
  return (
    known.size === scripts.length && scripts.every((script) => known.get(script.name) === script.checksum)
  );
}

async function readApplied(db: Queryable): Promise<Map<string, string>> {
  const rows = await db.query<{ name: string; checksum: string }>(
    "select name, checksum from goalpost.migrations",
  );
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

async function locked<T>(driver: Driver, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return driver.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1::bigint)", [MIGRATION_LOCK]);
    return work(tx);
  });
}

async function prepare(driver: Driver): Promise<void> {
  await locked(driver, async (tx) => {
    await tx.query("create schema if not exists goalpost");
    await tx.query(
      "create table if not exists goalpost.migrations (name text primary key, kind text not null, " +
        "checksum text not null, applied_at timestamptz not null default now())",
    );
  });
}

async function applyTables(driver: Driver, script: Script, all: readonly Script[]): Promise<boolean> {
  return locked(driver, async (tx) => {
    await refuseNewer(tx, all);
    const known = (await readApplied(tx)).get(script.name);
    if (known === script.checksum) {
      return false;
    }
    if (known !== undefined) {
      throw new GoalpostError(
        "INVALID_STATE",
        `migration ${script.name} has changed since it was applied to this database. ` +
          "Applied migrations are final: restore the file, or use another database.",
      );
    }
    await driver.script(script.sql, tx);
    await record(tx, script, "table");
    return true;
  });
}

async function refuseNewer(tx: Queryable, scripts: readonly Script[]): Promise<void> {
  const rows = await tx.query<{ name: string }>(
    "select name from goalpost.migrations where kind = 'table' order by name",
  );
  const ours = new Set(scripts.map((script) => script.name));
  const unknown = rows.find((row) => !ours.has(row.name));
  if (unknown) {
    throw new GoalpostError(
      "DATABASE_AHEAD",
      `this database was migrated by a newer goalpost (migration ${unknown.name} is unknown here). ` +
        "Upgrade the goalpost package, or use another database.",
    );
  }
}

async function applyFunctions(driver: Driver, scripts: readonly Script[]): Promise<string[]> {
  return locked(driver, async (tx) => {
    const known = await readApplied(tx);
    const changed = scripts.filter((script) => known.get(script.name) !== script.checksum);
    const ours = new Set(scripts.map((script) => script.name));
    const rows = await tx.query<{ name: string }>(
      "select name from goalpost.migrations where kind = 'function'",
    );
    const gone = rows.map((row) => row.name).filter((name) => !ours.has(name));
    for (const name of [...gone, ...changed.map((script) => script.name)]) {
      await dropFunctions(tx, name);
    }
    for (const script of changed) {
      await driver.script(script.sql, tx);
      await record(tx, script, "function");
    }
    await tx.query("delete from goalpost.migrations where kind = 'function' and name = any($1::text[])", [
      gone,
    ]);
    return changed.map((script) => script.name);
  });
}

/** A changed signature would otherwise leave the old function beside the new one. */
async function dropFunctions(tx: Queryable, name: string): Promise<void> {
  const rows = await tx.query<{ signature: string }>(
    "select p.oid::regprocedure::text as signature from pg_proc p " +
      "join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'goalpost' and p.proname = $1",
    [name],
  );
  for (const { signature } of rows) {
    await tx.query(`drop function ${signature}`);
  }
}

async function record(tx: Queryable, script: Script, kind: "table" | "function"): Promise<void> {
  await tx.query(
    "insert into goalpost.migrations (name, kind, checksum) values ($1, $2, $3) " +
      "on conflict (name) do update set checksum = excluded.checksum, applied_at = now()",
    [script.name, kind, script.checksum],
  );
}
