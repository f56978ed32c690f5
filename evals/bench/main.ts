// npm run bench [-- --json]: what this machine does with three-step runs, through the public API, on the embedded
// database and on a PostgreSQL server of its own (or GOALPOST_BENCH_DATABASE_URL) with fsync on.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Goalpost, silentLogger, VERSION } from "goalpost";
import { measureRuns, type RunFigures } from "./measure-runs.ts";
import { withPostgres } from "./with-postgres.ts";

interface BenchReport {
  readonly version: string;
  readonly node: string;
  readonly pglite: RunFigures & { readonly firstStartMs: number; readonly laterStartMs: number };
  readonly postgres: RunFigures;
  readonly helpMs: number;
}

async function benchPglite(): Promise<BenchReport["pglite"]> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-bench-"));
  const database = `pglite:${join(folder, "db")}`;
  try {
    const firstStartMs = await openAndClose(database);
    const laterStartMs = await openAndClose(database);
    const figures = await measureRuns(database, { runs: 1500, concurrency: 100 });
    return { ...figures, firstStartMs, laterStartMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openAndClose(database: string): Promise<number> {
  const begin = performance.now();
  const gp = await Goalpost.open({ database, logger: silentLogger });
  const took = Math.round(performance.now() - begin);
  await gp.close();
  return took;
}

/** The median of five calls of `goalpost --help`, with the process around it. */
function measureHelp(): number {
  const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now();
    spawnSync(process.execPath, [main, "--help"]);
    return performance.now() - begin;
  });
  return Math.round(times.sort((a, b) => a - b)[2] ?? 0);
}

const report: BenchReport = {
  version: VERSION,
  node: process.version,
  helpMs: measureHelp(),
  pglite: await benchPglite(),
  postgres: await withPostgres((url) => measureRuns(url, { runs: 6000, concurrency: 100 })),
};

if (process.argv.includes("--json")) {
  console.log(JSON.stringify(report, null, 2));
} else {
  const line = (name: string, figures: RunFigures): string =>
    `${name.padEnd(10)} ${String(figures.runsPerSecond).padStart(6)} runs/s   one alone: p50 ${figures.p50Ms} ms, p95 ${figures.p95Ms} ms`;
  console.log(`goalpost ${report.version}, Node ${report.node}; three-step runs, 100 at once`);
  console.log(line("PGlite", report.pglite));
  console.log(line("PostgreSQL", report.postgres));
  console.log(
    `embedded start: first ${report.pglite.firstStartMs} ms, later ${report.pglite.laterStartMs} ms`,
  );
  console.log(`goalpost --help: ${report.helpMs} ms`);
}
