// npm run bench:peers [-- --json] [--rounds N] [--only a,b] [--seconds S] [--database URL] [--absurd-schema FILE]
// The same durable three-step runs on goalpost and on other systems, on one PostgreSQL server with full durability:
// --database, GOALPOST_BENCH_DATABASE_URL or GOALPOST_TEST_DATABASE_URL, else a server made for it. Each system has a
// database of its own and a new process for every round; rounds go from system to system; medians are reported.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkpoint, createDatabase, dropDatabase, withPostgres } from "../bench/with-postgres.ts";
import { compare, OURS, type SystemFigures, summarize, toTable } from "./compare.ts";
import type { Figures } from "./measure.ts";
import { runChild } from "./run-child.ts";

const HERE = new URL(".", import.meta.url).pathname;

/** The systems, and the npm packages whose versions are reported. */
const PACKAGES: Readonly<Record<string, string>> = {
  [OURS]: "../..",
  dbos: "node_modules/@dbos-inc/dbos-sdk",
  absurd: "node_modules/absurd-sdk",
  "graphile-worker": "node_modules/graphile-worker",
  openworkflow: "node_modules/openworkflow",
  "pg-boss": "node_modules/pg-boss",
};

interface Options {
  readonly names: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly absurdSchema: string | null;
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    only: { type: "string" },
    database: { type: "string" },
    "absurd-schema": { type: "string" },
  },
});
const schema = values["absurd-schema"];
const options: Options = {
  names: readNames(values.only),
  rounds: readNumber("rounds", values.rounds),
  seconds: readNumber("seconds", values.seconds),
  absurdSchema: schema === undefined ? null : resolve(schema),
};

installOnce();
const systems = await withPostgres((url) => measureAll(url, options), values.database);
const comparison = compare(systems);
console.log(values.json ? JSON.stringify(comparison, null, 2) : toTable(comparison));
if (options.names.includes(OURS) && !systems.some((system) => system.name === OURS)) {
  process.exitCode = 1;
}

/** Measures the systems in turn, as often as there are rounds. One that fails is left out, and the error shown. */
async function measureAll(server: string, { names, rounds, ...how }: Options): Promise<SystemFigures[]> {
  const contenders = await Promise.all(
    names.map(async (name) => ({
      name,
      database: await createDatabase(server),
      figures: [] as Figures[],
      failed: false,
    })),
  );
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const contender of contenders.filter(({ failed }) => !failed)) {
        console.error(`round ${round} of ${rounds}: ${contender.name}`);
        // What the one before left to be written is not for this one to wait for.
        await checkpoint(server);
        try {
          const { name, database, figures } = contender;
          figures.push(await runChild(name, { ...how, database }));
        } catch (error) {
          contender.failed = true;
          console.error(`${contender.name} is left out: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  } finally {
    for (const { database } of contenders) {
      await dropDatabase(server, database);
    }
  }
  return contenders
    .filter(({ failed }) => !failed)
    .map(({ name, figures }) => summarize(name, readVersion(name), figures));
}

/** The other systems have a folder of their own, so that nobody else installs them. */
function installOnce(): void {
  if (existsSync(join(HERE, "node_modules"))) {
    return;
  }
  console.error("installing the other systems in evals/peers …");
  const { status } = spawnSync("npm", ["--prefix", HERE, "ci"], {
    stdio: ["ignore", process.stderr, process.stderr],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    throw new Error(`npm ci in ${HERE} ended with ${status}`);
  }
}

function readVersion(name: string): string {
  const file = join(HERE, PACKAGES[name] ?? "", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function readNames(only: string | undefined): string[] {
  const known = Object.keys(PACKAGES);
  const names = only?.split(",").map((name) => name.trim()) ?? known;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`--only names ${unknown.join(", ")}; there are: ${known.join(", ")}`);
  }
  return names;
}

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (!(Number.isInteger(number) && number >= 1)) {
    throw new Error(`--${name} is "${text}"; it must be a whole number from 1`);
  }
  return number;
}
