// npm run bench [-- --json] [--only a,b] [--memory] [--quick] [--database URL]
// What this machine does, through the public API, on the embedded database and on a PostgreSQL server: --database,
// GOALPOST_BENCH_DATABASE_URL or GOALPOST_TEST_DATABASE_URL, else one made for it, with its defaults (fsync on).
// --memory adds the one measurement that takes minutes; --quick does everything at a twentieth of its size.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Goalpost, silentLogger, VERSION } from "goalpost";
import type { GrowthFigures } from "./compare-sizes.ts";
import { measureAgents } from "./measure-agents.ts";
import { type CrowdFigures, measureCrowds } from "./measure-crowds.ts";
import { measureDocuments } from "./measure-documents.ts";
import { measureGraphs } from "./measure-graphs.ts";
import { measureIdle } from "./measure-idle.ts";
import { measureLearning } from "./measure-learning.ts";
import { type LlmFigures, measureLlm } from "./measure-llm.ts";
import { measureMap } from "./measure-map.ts";
import { measureMemory } from "./measure-memory.ts";
import { measureRuns, type RunFigures } from "./measure-runs.ts";
import { measureWire, type StepCost } from "./measure-wire.ts";
import { type BenchContext, type Section, section } from "./section.ts";
import { median, time } from "./statistics.ts";
import { withDatabase, withPostgres } from "./with-postgres.ts";

type EmbeddedFigures = RunFigures & { readonly firstStartMs: number; readonly laterStartMs: number };

const QUICK_SHARE = 20;

const sections: readonly Section[] = [
  {
    ...section(
      "helpMs",
      async () => measureHelp(),
      (ms) => [`goalpost --help: ${ms} ms`],
    ),
    needsServer: false,
  },
  { ...section("pglite", measureEmbedded, describeEmbedded), needsServer: false },
  section(
    "postgres",
    ({ server, size }) =>
      withDatabase(server, (url) => measureRuns(url, { runs: size(6000), concurrency: 100 })),
    (figures) => [describeRuns("PostgreSQL", figures)],
  ),
  section("wire", measureWire, ({ busy, alone }) => [
    describeStepCost("one step, 100 runs at once", busy),
    describeStepCost("one step, one run alone", alone),
  ]),
  section("graphs", measureGraphs, ({ wide, deep }) => [
    describeGrowth("wide graph", wide),
    describeGrowth("deep graph", deep),
  ]),
  section("map", measureMap, (figures) => [figures ? describeGrowth("map", figures) : "map: not there yet"]),
  section("crowds", measureCrowds, (figures) =>
    Object.entries(figures).map(([name, crowd]) => describeCrowd(name, crowd)),
  ),
  section("llm", measureLlm, describeLlm),
  section("agents", measureAgents, ({ messagesPerSecond, p50Ms, p95Ms }) => [
    `messages between two processes: ${messagesPerSecond}/s; one alone p50 ${p50Ms} ms, p95 ${p95Ms} ms`,
  ]),
  {
    ...section("documents", measureDocuments, ({ ingest, search }) => [
      `documents put with "hash": ${ingest.chunksPerSecond} chunks/s`,
      `search of ${search.vectors} vectors: recall@10 ${search.recallAt10}, p50 ${search.p50Ms} ms, p95 ${search.p95Ms} ms; put and indexed in ${search.putMs} ms`,
    ]),
    needsServer: false,
  },
  section("learning", measureLearning, ({ onPerSecond, offPerSecond, ratio }) => [
    `three-step runs with statistics: ${onPerSecond}/s, without ${offPerSecond}/s: ${ratio} ×`,
  ]),
  section("idle", measureIdle, ({ statementsPerSecond }) => [
    `an idle client: ${statementsPerSecond} statements/s`,
  ]),
];

const memory = section("memory", measureMemory, ({ samples }) => [
  `heap: ${samples.map(({ runs, heapMb }) => `${heapMb} MB after ${runs} runs`).join(", ")}`,
]);

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    memory: { type: "boolean", default: false },
    only: { type: "string" },
    database: { type: "string" },
  },
});
const chosen = choose(values.only, values.memory);
const report: Record<string, unknown> = {
  version: VERSION,
  node: process.version,
  cpu: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
  quick: values.quick,
};
if (!values.json) {
  console.log(`goalpost ${VERSION}, Node ${process.version}, ${report.cpu}${values.quick ? ", quick" : ""}`);
}
const size = (full: number): number => (values.quick ? Math.ceil(full / QUICK_SHARE) : full);
await runAll(
  chosen.filter(({ needsServer }) => !needsServer),
  { server: "", size },
);
const onServer = chosen.filter(({ needsServer }) => needsServer);
if (onServer.length > 0) {
  await withPostgres((server) => runAll(onServer, { server, size }), values.database);
}
if (values.json) {
  console.log(JSON.stringify(report, null, 2));
}

async function runAll(some: readonly Section[], context: BenchContext): Promise<void> {
  for (const { name, run } of some) {
    const { figures, lines } = await run(context);
    report[name] = figures;
    if (!values.json) {
      console.log(lines.join("\n"));
    }
  }
}

function choose(only: string | undefined, withMemory: boolean): readonly Section[] {
  const all = [...sections, memory];
  if (only === undefined) {
    return withMemory ? all : sections;
  }
  const names = only.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !all.some((some) => some.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `--only names ${unknown.join(", ")}; there are: ${all.map(({ name }) => name).join(", ")}`,
    );
  }
  return all.filter(({ name }) => names.includes(name) || (withMemory && name === "memory"));
}

async function measureEmbedded({ size }: BenchContext): Promise<EmbeddedFigures> {
  const folder = mkdtempSync(join(tmpdir(), "goalpost-bench-"));
  const database = `pglite:${join(folder, "db")}`;
  try {
    const firstStartMs = await openAndClose(database);
    const laterStartMs = await openAndClose(database);
    const figures = await measureRuns(database, { runs: size(1500), concurrency: 100 });
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
async function measureHelp(): Promise<number> {
  const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
  const times: number[] = [];
  for (let call = 0; call < 5; call++) {
    times.push(await time(async () => spawnSync(process.execPath, [main, "--help"])));
  }
  return Math.round(median(times));
}

function describeEmbedded(figures: EmbeddedFigures): string[] {
  return [
    describeRuns("PGlite", figures),
    `embedded start: first ${figures.firstStartMs} ms, later ${figures.laterStartMs} ms`,
  ];
}

function describeRuns(name: string, { runsPerSecond, p50Ms, p95Ms }: RunFigures): string {
  return `three-step runs on ${name}: ${runsPerSecond}/s, 100 at once; one alone p50 ${p50Ms} ms, p95 ${p95Ms} ms`;
}

function describeStepCost(name: string, { statementsPerStep, walBytesPerStep }: StepCost): string {
  return `${name}: ${statementsPerStep} statements, ${walBytesPerStep} bytes of WAL`;
}

function describeGrowth(name: string, { small, large, ratio }: GrowthFigures): string {
  return `${name}: ${small.msPerElement} ms each of ${small.count}, ${large.msPerElement} ms each of ${large.count}: ${ratio} ×`;
}

function describeCrowd(name: string, { rows, emptyMs, fullMs, ratio }: CrowdFigures): string {
  return `ten runs with ${rows} tasks ${name}: ${fullMs} ms, against ${emptyMs} ms with none: ${ratio} ×`;
}

function describeLlm({ call, crowd }: LlmFigures): string[] {
  const { calls, tookMs, heapMb, aloneP50Ms, besideP50Ms, besideMaxMs } = crowd;
  return [
    `a call of a model: bare SDK p50 ${call.bareP50Ms} ms, ctx.llm p50 ${call.ctxP50Ms} ms: ${call.overheadMs} ms more`,
    `${calls} calls at once: ${tookMs} ms; heap ${heapMb.join(", ")} MB`,
    `a three-step run alone p50 ${aloneP50Ms} ms, beside them p50 ${besideP50Ms} ms, at most ${besideMaxMs} ms`,
  ];
}
