import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Clock, Goalpost, silentLogger, workflow } from "../../src/index.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { createDatabase } from "../contract/backends.ts";

const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const app = new URL("../fixtures/queue-app.ts", import.meta.url).pathname;

/** As the processes have it (test/fixtures/queue-app.ts), but nothing is held. */
const held = workflow<string>("held")
  .step("first", () => "here")
  .step("hold", { after: ["first"] }, ({ first }) => `${first} here`)
  .step("last", { after: ["hold"] }, ({ hold }) => `${hold} here`);

/** A database, and processes that serve it. */
class Site {
  readonly database: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "goalpost-worker-"));

  private constructor(database: string) {
    this.database = database;
    onTestFinished(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  static async open(): Promise<Site> {
    return new Site(await createDatabase());
  }

  async client(options: { serves: boolean; clock?: Clock }): Promise<Goalpost> {
    const { serves, clock } = options;
    const gp = await Goalpost.open({
      database: this.database,
      logger: silentLogger,
      clock,
      workers: serves ? {} : false,
    });
    onTestFinished(() => gp.close({ graceMs: 0 }));
    if (serves) {
      gp.register({ workflows: [held] });
    }
    return gp;
  }

  /** Starts `goalpost worker`; resolves when it serves. */
  async worker(name: string, args: readonly string[] = []): Promise<WorkerProcess> {
    const child = spawn(
      process.execPath,
      [main, "worker", "--app", app, "--database", this.database, ...args],
      {
        env: {
          ...process.env,
          INSTANCE_ID: name,
          EFFECTS_FILE: join(this.#folder, "effects"),
          RELEASE_FILE: join(this.#folder, "release"),
        },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    const worker = new WorkerProcess(child);
    await vi.waitFor(() => expect(worker.log).toContain("serves"), { timeout: 20_000, interval: 20 });
    return worker;
  }

  /** What began to be held, by the input of its run. */
  get holding(): string[] {
    const file = join(this.#folder, "effects");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  async untilHeld(runs: readonly string[]): Promise<void> {
    await vi.waitFor(() => expect(this.holding).toEqual(expect.arrayContaining([...runs])), {
      timeout: 10_000,
      interval: 20,
    });
  }

  release(): void {
    writeFileSync(join(this.#folder, "release"), "");
  }
}

class WorkerProcess {
  log = "";
  readonly child: ChildProcess;
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.log += chunk;
    });
    this.ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  }
}

const distributed = { execution: "distributed" } as const;

describe("a worker process", () => {
  test("that is killed is missed within 3 s, and its task is done by another", {
    timeout: 60_000,
    // The figure is for a machine that is not busy with other tests.
    retry: 2,
  }, async () => {
    const site = await Site.open();
    const victim = await site.worker("victim");
    const starter = await site.client({ serves: false });
    const { runId } = await starter.start(held, "a", distributed);
    await site.untilHeld(["a"]);
    await site.client({ serves: true });
    const atMs = performance.now();
    victim.child.kill("SIGKILL");
    const run = await starter.runs.wait(runId, { timeoutMs: 30_000 });
    const tookMs = performance.now() - atMs;
    expect(run.output).toEqual({ last: "victim here here" });
    expect(tookMs).toBeLessThan(3000);
    const { tasks } = await starter.runs.get(runId);
    expect(tasks.map((task) => task.history.map((entry) => entry.outcome))).toEqual([[], ["lost"], []]);
    const instances = await starter.instances.list({ status: "lost" });
    expect(instances.map(({ id }) => id)).toEqual(["victim"]);
  });

  test("that is frozen is lost after 30 s only, and what it hands in afterwards is refused", {
    timeout: 60_000,
  }, async () => {
    const site = await Site.open();
    const frozen = await site.worker("frozen");
    const starter = await site.client({ serves: false });
    const { runId } = await starter.start(held, "a", distributed);
    await site.untilHeld(["a"]);
    frozen.child.kill("SIGSTOP");

    const clock = new FakeClock(new Date());
    const other = await site.client({ serves: true, clock });
    const isLost = async (): Promise<boolean> => (await other.instances.list({ status: "lost" })).length > 0;
    const pass = async (forMs: number): Promise<void> => {
      for (let passedMs = 0; passedMs < forMs && !(await isLost()); passedMs += 500) {
        clock.advance(500);
        // Looks that are too far apart by its clock are no observation.
        const seenAt = async (): Promise<number> => {
          const instances = await other.instances.list();
          return instances.find(({ id }) => id === other.instanceId)?.heartbeatAt.getTime() ?? 0;
        };
        await vi.waitFor(async () => expect(await seenAt()).toBeGreaterThan(clock.now() - 1000), {
          timeout: 10_000,
          interval: 5,
        });
      }
    };
    await pass(20_000);
    expect(await isLost()).toBe(false);
    await pass(40_000);
    expect(await isLost()).toBe(true);
    expect(await starter.runs.wait(runId, { timeoutMs: 20_000 })).toMatchObject({
      output: { last: "frozen here here" },
    });

    site.release();
    frozen.child.kill("SIGCONT");
    // It says again that it is there, hands in what it did for nothing, and takes more.
    await expect.poll(() => starter.instances.list({ status: "lost" }), { timeout: 10_000 }).toEqual([]);
    await other.close();
    const next = await starter.start(held, "b", distributed);
    expect(await next.result({ timeoutMs: 20_000 })).toMatchObject({
      output: { last: "frozen frozen frozen" },
    });
    const run = await starter.runs.get(runId);
    expect(run.output).toEqual({ last: "frozen here here" });
    expect(run.tasks[1]?.history.map((entry) => entry.outcome)).toEqual(["lost"]);
  });

  test("that is told to stop ends what it began, leaves the rest to others, and exits with 0", {
    timeout: 60_000,
  }, async () => {
    const site = await Site.open();
    const worker = await site.worker("worker", ["--concurrency", "2"]);
    const starter = await site.client({ serves: false });
    const inputs = ["a", "b", "c", "d", "e", "f"];
    const handles = await Promise.all(inputs.map((input) => starter.start(held, input, distributed)));
    await vi.waitFor(() => expect(site.holding).toHaveLength(2), { timeout: 10_000, interval: 20 });
    worker.child.kill("SIGTERM");
    await vi.waitFor(() => expect(worker.log).toContain("taking no more"), { timeout: 5000, interval: 20 });
    site.release();
    expect(await worker.ended).toEqual([0, null]);
    expect(site.holding).toHaveLength(2);

    await site.client({ serves: true });
    const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 20_000 })));
    const outputs = results.map(({ output }) => output.last).toSorted();
    expect(outputs.filter((output) => output.startsWith("worker worker"))).toHaveLength(2);
    for (const { runId } of handles) {
      const { tasks } = await starter.runs.get(runId);
      expect(tasks.map(({ attempts, history }) => [attempts, history])).toEqual([
        [1, []],
        [1, []],
        [1, []],
      ]);
    }
    expect(await starter.instances.list({ status: "stopped" })).toMatchObject([{ id: "worker" }]);
  });

  test("that is told to stop but cannot end in time puts its task back", { timeout: 60_000 }, async () => {
    const site = await Site.open();
    const worker = await site.worker("worker", ["--grace", "100ms"]);
    const starter = await site.client({ serves: false });
    const handle = await starter.start(held, "a", distributed);
    await site.untilHeld(["a"]);
    worker.child.kill("SIGINT");
    expect(await worker.ended).toEqual([0, null]);
    await site.client({ serves: true });
    expect((await handle.result({ timeoutMs: 20_000 })).output).toEqual({ last: "worker here here" });
    expect((await starter.runs.get(handle.runId)).tasks[1]).toMatchObject({ attempts: 1, history: [] });
  });

  test("ends at once at the second signal", { timeout: 60_000 }, async () => {
    const site = await Site.open();
    const worker = await site.worker("worker");
    const starter = await site.client({ serves: false });
    await starter.start(held, "a", distributed);
    await site.untilHeld(["a"]);
    worker.child.kill("SIGTERM");
    await vi.waitFor(() => expect(worker.log).toContain("taking no more"), { timeout: 5000, interval: 20 });
    worker.child.kill("SIGTERM");
    expect(await worker.ended).toEqual([143, null]);
  });
});
