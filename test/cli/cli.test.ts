import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Decomposer, Goalpost, llmDecomposer, silentLogger } from "../../src/index.ts";
import { createDatabase } from "../contract/backends.ts";

const root = new URL("../../", import.meta.url).pathname;
const main = join(root, "dist/cli/main.js");
const app = join(root, "test/fixtures/app.ts");

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
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1", GOALPOST_DATABASE_URL: database, ...env },
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
    const args = ["run", "work on 30 parts", "--app", app, "--database", `pglite:${join(folder, "db")}`];
    const { child, ended } = start(args, { EFFECTS_FILE: effects, PART_MS: "150" });
    await vi.waitFor(() => expect(linesOf(effects).length).toBeGreaterThan(10), {
      timeout: 15_000,
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
  });
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
    const { code, err } = await goalpost(["run", "sail to the moon", "--database", "memory:"]);
    expect(err).toContain("report on the code in {dir}");
    expect(err).toContain("--app");
    expect(code).toBe(1);
  });

  test("the default app says that a folder is missing", async () => {
    const { code, err } = await goalpost(["run", "report on the code in ./nowhere"]);
    expect(err).toMatch(/nowhere/);
    expect(err).toContain("INVALID_INPUT");
    expect(code).toBe(1);
  });
});
