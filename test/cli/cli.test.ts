import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type Decomposer, Goalpost, llmDecomposer, silentLogger } from "../../src/index.ts";
import { createLedger } from "../../src/store/ledger.ts";
import { openDriver } from "../../src/store/open-driver.ts";
import { createDatabase, makeDirectory } from "../contract/backends.ts";
import { CENT, call, FREE, outcome } from "../ledger-calls.ts";

const root = new URL("../../", import.meta.url).pathname;
const main = join(root, "dist/cli/main.js");
const app = join(root, "test/fixtures/app.ts");

/** Whatever keys this machine has: nothing here calls a model. */
const NO_KEYS = { OPENAI_API_KEY: "", ANTHROPIC_API_KEY: "", GEMINI_API_KEY: "", GOOGLE_API_KEY: "" };

let folder: string;
let database: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "goalpost-cli-"));
  database = await createDatabase();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--liftoff-only", main, ...args], {
    cwd: folder,
    env: { ...process.env, ...NO_KEYS, NO_COLOR: "1", GOALPOST_DATABASE_URL: database, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const ended = once(child, "close").then(([code]): Ended => ({ code: code as number | null, out, err }));
  return { child, ended };
}

function goalpost(args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return start(args, env).ended;
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

describe("goalpost run", () => {
  test("carries out the goal of an app and prints what its leaves returned", async () => {
    const { code, out } = await goalpost(["run", "work on 3 parts", "--app", app]);
    expect(out).toMatch(/✓ part\.2 .*\n/);
    expect(out).toContain("sum_up: 3");
    expect(code).toBe(0);
  });

  test("with --json prints one document on standard output and everything else on standard error", async () => {
    const { code, out, err } = await goalpost(["run", "work on 2 parts", "--app", app, "--json"]);
    const result = JSON.parse(out);
    expect(result).toMatchObject({
      status: "completed",
      goal: { text: "work on 2 parts" },
      output: { sum_up: 2 },
      outputs: { "part.1": "prepared part.1", parts: { "part.0": "prepared part.0" } },
    });
    expect(err).toContain("✓ sum_up");
    expect(code).toBe(0);
  });

  test("exits with 1 and says which task failed and why", async () => {
    const { code, err } = await goalpost(["run", "explode", "--app", app]);
    expect(err).toMatch(/failed at task "explode".*kaboom.*\[RUN_FAILED\]/);
    expect(err).toContain("goalpost show");
    expect(code).toBe(1);
  });

  test("with --json tells of a failure in the document too", async () => {
    const { code, out } = await goalpost(["run", "explode", "--app", app, "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      status: "failed",
      failedTask: { id: "explode", step: "explode", attempt: 1 },
      error: { code: "STEP_FAILED", message: "kaboom" },
    });
    expect(code).toBe(1);
  });

  test("tells a plan that goes round in a circle with the circle", async () => {
    const { code, err } = await goalpost(["run", "go", "round", "--app", app]);
    expect(err).toMatch(/INVALID_GRAPH.*\n.*CYCLE.*"[ab]" → "[ab]" → "[ab]"/);
    expect(code).toBe(1);
  });

  test("with --dry-run plans and runs nothing", async () => {
    const effects = join(folder, "dry-run.txt");
    const { code, out } = await goalpost(["run", "work on 2 parts", "--app", app, "--dry-run"], {
      EFFECTS_FILE: effects,
    });
    expect(out).toContain("├─ parts ← prepare");
    expect(out).toContain("nothing was run");
    expect(existsSync(effects)).toBe(false);
    expect(code).toBe(0);
  });

  test("interrupted with Ctrl-C cancels the run; the same command goes on with it", async () => {
    const effects = join(folder, "interrupted.txt");
    const { child, ended } = start(["run", "wait", "--app", app], { EFFECTS_FILE: effects });
    await vi.waitFor(() => expect(linesOf(effects)).toContain("hang"), { timeout: 10_000, interval: 50 });
    child.kill("SIGINT");
    const interrupted = await ended;
    expect(interrupted.out).toContain("run the same command again");
    expect(interrupted.code).toBe(130);

    const again = await goalpost(["run", "wait", "--app", app], { EFFECTS_FILE: effects, LET_GO: "yes" });
    expect(again.out).toContain("did not finish: going on with it; 1 of 2 tasks are done already");
    expect(again.out).toContain('hang: "let go"');
    expect(linesOf(effects)).toEqual(["prepare", "hang", "hang"]);
    expect(again.code).toBe(0);
  });

  test("killed midway on an embedded database, the same command repeats no finished task", async () => {
    const effects = join(folder, "killed.txt");
    makeDirectory(join(folder, "db"));
    const args = ["run", "work on 30 parts", "--app", app, "--database", `pglite:${join(folder, "db")}`];
    const { child, ended } = start(args, { EFFECTS_FILE: effects, PART_MS: "150" });
    await vi.waitFor(() => expect(linesOf(effects).length).toBeGreaterThan(10), {
      timeout: 30_000,
      interval: 10,
    });
    child.kill("SIGKILL");
    await ended;

    const again = await goalpost(args, { EFFECTS_FILE: effects });
    expect(again.out).toMatch(/going on with it; \d+ of 32 tasks are done already/);
    expect(again.out).toContain("sum_up: 30");
    const done = Number(/(\d+) of 32 tasks are done already/.exec(again.out)?.[1]);
    const counts = new Map<string, number>();
    for (const line of linesOf(effects)) {
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    const repeated = [...counts.values()].filter((count) => count > 1).length;
    expect(counts.size).toBe(31);
    // A task can only have run twice if the kill came before its end was stored.
    expect(repeated).toBeLessThanOrEqual(31 - done);
    expect(done).toBeGreaterThan(0);
  }, 60_000);
});

describe("goalpost plan", () => {
  test("prints the graph as a Mermaid diagram", async () => {
    const { code, out } = await goalpost(["plan", "work on 2 parts", "--app", app, "--mermaid"]);
    expect(out).toMatch(/^flowchart LR\n/);
    expect(out).toContain('subgraph t1["parts"]');
    expect(code).toBe(0);
  });

  test("exits with 2 when the goal cannot be planned", async () => {
    const { code, err } = await goalpost(["plan", "build a house", "--app", app]);
    expect(err).toMatch(/no rule matches this goal\. There are:\n {2}work on \{count\} parts/);
    expect(code).toBe(2);
  });
});

describe("goalpost approve and reject", () => {
  const runIdOf = (out: string): string => /Run (\S+) in/.exec(out)?.[1] ?? "";

  async function waiting(goal: string) {
    const run = start(["run", ...goal.split(" "), "--app", app]);
    let out = "";
    run.child.stdout.on("data", (chunk: Buffer) => {
      out += chunk;
    });
    await vi.waitFor(() => expect(out).toMatch(/waits for approval:\n.*approve.*\n.*reject.*\n/), {
      timeout: 15_000,
      interval: 50,
    });
    return { ...run, runId: runIdOf(out), out };
  }

  test("decide from elsewhere on a task that waits; the run says how", async () => {
    const { ended, runId, out } = await waiting("deploy one");
    expect(out).toContain(`goalpost approve ${runId} deploy --by NAME`);
    const args = ["--by", "Ada", "--note", "looks good", "--args", '{"to":"two"}'];
    expect(await goalpost(["approve", runId, "deploy", ...args])).toMatchObject({ code: 0 });
    const { code, out: all } = await ended;
    expect(all).toContain('deploy: "deployed to two"');
    expect(code).toBe(0);
    const again = await goalpost(["approve", runId, "deploy", "--by", "Bob"]);
    expect(again.err).toMatch(/was approved already, by Ada/);
    expect(again.code).toBe(2);
  });

  test("a rejected task fails its run, with the reason", async () => {
    const { ended, runId } = await waiting("deploy two");
    const reject = ["reject", runId, "deploy", "--by", "Ada", "--reason", "not on a Friday"];
    expect(await goalpost(reject)).toMatchObject({ code: 0 });
    const { code, err } = await ended;
    expect(err).toContain("not on a Friday");
    expect(code).toBe(1);
  });

  test("--yes approves what waits, and says so", async () => {
    const { code, out } = await goalpost(["run", "deploy three", "--app", app, "--yes"]);
    expect(out).toContain('deploy: "deployed to three"');
    const shown = await goalpost(["show", runIdOf(out), "--json"]);
    expect(JSON.parse(shown.out).tasks[0].approval).toMatchObject({ status: "approved", note: "--yes" });
    expect(code).toBe(0);
  });

  test.each<[string, string[], RegExp]>([
    ["args that are no JSON", ["approve", "x", "y", "--by", "A", "--args", "{"], /--args must be JSON/],
    ["nobody's name", ["approve", "x", "y"], /required option '--by <name>'/],
    ["no reason", ["reject", "x", "y", "--by", "A"], /required option '--reason <text>'/],
    ["an unknown run", ["approve", "17", "y", "--by", "A"], /there is no run "17"/],
    ["a budget that is none", ["run", "x", "--budget", "-1"], /US dollars above 0/],
    ["a model for an app", ["run", "x", "--app", app, "--model", "m"], /chooses its models itself/],
    [
      "a plan that nobody could approve",
      ["run", "x", "--approve-plan", "--database", "memory:"],
      /this is none.*--yes/,
    ],
  ])("exit with 2 for %s", async (_, args, message) => {
    const { code, err } = await goalpost(args);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });
});

describe("goalpost runs and show", () => {
  test("list runs newest first and show one with its tasks, tries and errors", async () => {
    await goalpost(["run", "explode", "--app", app, "--new"]);
    const listed = await goalpost(["runs", "--limit", "1", "--json"]);
    const [run] = JSON.parse(listed.out);
    expect(run).toMatchObject({ status: "failed", workflow: "goal" });

    const shown = await goalpost(["show", run.id]);
    expect(shown.out).toMatch(/✗ explode \(\d+ ms, failed\)\n.*try 1 .*STEP_FAILED: kaboom/);
    expect(shown.code).toBe(0);
  });

  test("show explains a run that could not be planned", async () => {
    await goalpost(["run", "sail to the moon", "--app", app]);
    const shown = await goalpost(["show"]);
    expect(shown.out).toMatch(/failed: DECOMPOSER_FAILED: no rule matches this goal/);
  });
});

describe("goalpost costs", () => {
  const env = { GOALPOST_DATABASE_URL: "" };
  beforeAll(async () => {
    env.GOALPOST_DATABASE_URL = await createDatabase();
  });

  test("says that there were no calls, and lists those that there were, with their sum", async () => {
    const none = await goalpost(["costs"], env);
    expect(none).toMatchObject({ code: 0, out: "No calls yet.\n" });
    const { driver } = await openDriver(env.GOALPOST_DATABASE_URL, silentLogger);
    onTestFinished(() => driver.close());
    const ledger = createLedger({ driver, logger: silentLogger, worker: randomUUID() });
    for (const [model, costNanoUsd] of [
      ["small", CENT],
      ["large", 25n * CENT],
      ["large", 25n * CENT],
    ] as const) {
      const planned = call({ model, scope: { ...FREE, labels: { team: model } } });
      await ledger.reserve(planned);
      await ledger.settle(outcome(planned.callId, { costNanoUsd }));
    }
    const table = await goalpost(["costs"], env);
    expect(table.out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["MODEL", "CALLS", "INPUT", "CACHED", "OUTPUT", "COST"],
      ["large", "2", "200", "0", "200", "$0.5000"],
      ["small", "1", "100", "0", "100", "$0.0100"],
      ["in all", "3", "300", "0", "300", "$0.5100"],
      [""],
    ]);
    const labels = await goalpost(["costs", "--by", "label", "--since", "7d", "--json"], env);
    expect(JSON.parse(labels.out)).toMatchObject({
      by: "label",
      rows: [{ label: "team=large", costUsd: 0.5 }, { label: "team=small" }],
      total: { calls: 3, costUsd: 0.51, estimated: false },
    });
    expect((await goalpost(["costs", "--since", "0s"], env)).out).toBe("No calls yet.\n");
  });

  test.each([
    ["--by", "colour"],
    ["--since", "tuesday"],
  ])("refuses %s %s", async (option, value) => {
    const { code, err } = await goalpost(["costs", option, value], env);
    expect(code).toBe(2);
    expect(err).toContain(value);
  });
});

describe("goalpost show and plans", () => {
  test("prints a plan that waits for approval, then who approved of it and where it comes from", async () => {
    const env = { GOALPOST_DATABASE_URL: await createDatabase() };
    const gp = await Goalpost.open({ database: env.GOALPOST_DATABASE_URL, logger: silentLogger });
    const tasks = [
      { id: "a", description: "the \u001b[31mfirst" },
      { id: "b", description: "the second", dependsOn: ["a"] },
    ];
    const handle = await gp.startGoal(
      "two things",
      () => ({ tasks, origin: { by: "llm", model: "some-model", promptSha256: "c0ffee" } }),
      { a: () => 1, b: () => 2 },
      { approvePlan: true },
    );
    await vi.waitFor(async () => expect((await gp.runs.get(handle.runId)).planApproval).not.toBeNull());
    const waiting = await goalpost(["show", handle.runId], env);
    expect(waiting.out).toMatch(/The plan waits for approval since .*"plan"/);
    expect(waiting.out).toContain("├─ a · the \ufffd[31mfirst\n└─ b ← a · the second");
    await gp.runs.approve(handle.runId, "plan", { by: "Ann", note: "fine" });
    await handle.result();
    await gp.close();
    const { out } = await goalpost(["show", handle.runId], env);
    expect(out).toContain("planned by llm, model some-model, prompt c0ffee");
    expect(out).toContain("plan approved by Ann: fine");
  });

  test("prints the last plan of a model that made none that can be used", async () => {
    const env = { GOALPOST_DATABASE_URL: await createDatabase() };
    const gp = await Goalpost.open({ database: env.GOALPOST_DATABASE_URL, logger: silentLogger });
    const plan = llmDecomposer({ maxRepairs: 0 });
    const said = { response: "no JSON today", finishReason: "stop", messages: [] };
    const decomposer: Decomposer = (goal, ctx) => plan(goal, { ...ctx, llm: async () => said as never });
    const handle = await gp.startGoal("a thing", decomposer, {});
    await handle.result().catch(() => undefined);
    await gp.close();
    const { out } = await goalpost(["show", handle.runId], env);
    expect(out).toMatch(/failed: DECOMPOSER_FAILED: the model made no usable plan/);
    expect(out).toContain("The last plan of the model:\nno JSON today");
  });
});

describe("goalpost prune", () => {
  test("counts with --dry-run, removes without it, and says how many", async () => {
    const address = await createDatabase();
    const env = { GOALPOST_DATABASE_URL: address };
    await goalpost(["run", "work on 2 parts", "--app", app, "--json"], env);
    const dry = await goalpost(["prune", "--older-than", "0s", "--dry-run"], env);
    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^1 runs with \d+ tasks would be removed/),
    });
    const kept = await goalpost(["prune", "--older-than", "30d", "--json"], env);
    expect(JSON.parse(kept.out)).toEqual({ runs: 0, tasks: 0, instances: 0, dryRun: false });
    const pruned = await goalpost(["prune", "--older-than", "0s", "--batch", "10"], env);
    expect(pruned.out).toMatch(/^Removed 1 runs with \d+ tasks and 1 instances/);
    expect((await goalpost(["runs"], env)).out).toContain("No runs yet");
  });

  test.each(["30", "d", "-1d", "1 d", "1y", ""])("exits with 2 for the duration %j", async (duration) => {
    const { code, err } = await goalpost(["prune", `--older-than=${duration}`]);
    expect(err).toContain("such as 30d or 12h");
    expect(code).toBe(2);
  });

  test("exits with 2 if no duration is given", async () => {
    const { code, err } = await goalpost(["prune"]);
    expect(err).toContain("--older-than");
    expect(code).toBe(2);
  });
});

describe("goalpost instances", () => {
  test("lists who is there as one document, or says that nobody is", async () => {
    const { code, out } = await goalpost(["instances", "--json", "--status", "lost"]);
    expect([code, JSON.parse(out)]).toEqual([0, []]);
    const wrong = await goalpost(["instances", "--status", "asleep"]);
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("online, stopped, lost") });
    const nobody = await goalpost(["instances", "--status", "lost"]);
    expect(nobody.out).toContain("goalpost worker");
  });
});

describe("bad usage", () => {
  const broken = (): string => {
    const file = join(folder, "broken.mjs");
    writeFileSync(file, 'throw new Error("out of order");\n');
    return file;
  };
  test.each<[string, () => string[], RegExp]>([
    ["an unknown flag", () => ["run", "x", "--fast"], /unknown option '--fast'/],
    ["an unknown command", () => ["rum"], /unknown command 'rum'[\s\S]*Did you mean run/],
    ["a missing goal", () => ["run"], /missing required argument 'goal'/],
    ["a limit that is no number", () => ["runs", "--limit", "many"], /whole number ≥ 1/],
    ["a state that does not exist", () => ["runs", "--status", "done"], /there are: queued, running/],
    ["an app that is not there", () => ["run", "x", "--app", "nowhere.ts"], /there is no app file/],
    [
      "an app that throws when it is imported",
      () => ["run", "x", "--app", broken()],
      /could not be loaded: out of order/,
    ],
    ["an unknown run", () => ["show", "17"], /there is no run "17"/],
    ["no database", () => ["runs", "--database", "mysql://x"], /is no database\. Allowed/],
    [
      "a server that is not there",
      () => ["runs", "--database", "postgres://me:secret@127.0.0.1:1/x"],
      /^goalpost: cannot connect to postgres:\/\/127\.0\.0\.1:1\/x(?![\s\S]*secret)/,
    ],
  ])("%s is told in a sentence and exits with 2", async (_, args, message) => {
    const { code, err } = await goalpost(args());
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^\s+at .*:\d+:\d+/m);
    expect(code).toBe(2);
  });

  test("the default app says of an unknown goal which recipes exist and how to add others", async () => {
    makeDirectory(join(folder, "moon"));
    const { code, err } = await goalpost([
      "run",
      "sail to the moon",
      "--database",
      `pglite:${join(folder, "moon")}`,
    ]);
    expect(err).toContain("report on the code in {dir}");
    expect(err).toContain("--app");
    expect(err).toContain("OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY");
    expect(code).toBe(1);
  });

  test("the default app says that a folder is missing", async () => {
    const { code, err } = await goalpost(["run", "report on the code in ./nowhere"]);
    expect(err).toMatch(/nowhere/);
    expect(err).toContain("INVALID_INPUT");
    expect(code).toBe(1);
  });
});
