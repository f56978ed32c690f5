import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Driver } from "../../src/core/driver.ts";
import { shapeToRows } from "../../src/core/shape.ts";
import { type ClaimedTask, compareTasks, encodeStart, type Reply } from "../../src/engine/protocol.ts";
import { type AnyWorkflow, GoalpostError, type TaskSpec } from "../../src/index.ts";
import { compileGraph, planShape } from "../../src/plan/compile.ts";
import { validate } from "../../src/plan/validate.ts";
import { ensureDefinition } from "../../src/store/definitions.ts";
import { putBack } from "../../src/store/instances.ts";
import { cancelRun, pauseRun, resumeRun } from "../../src/store/run-actions.ts";
import { type Call, type SqlReport, SqlWorker } from "../contract/sql-worker.ts";
import { assertInvariants } from "../invariants.ts";

const RECENT = 8;

export interface ActorOptions {
  /** Connections of its own: one actor at most waits for another's locks, never for its pool. */
  readonly driver: Driver;
  readonly lane: string;
  readonly random: () => number;
  readonly ledger: Ledger;
  readonly workflows: readonly AnyWorkflow[];
}

/** What all actors know together. */
export class Ledger {
  readonly runs: string[] = [];
  readonly workers: string[] = [];
  readonly counts: Record<string, number> = {};
  /** The delivery with which each task was completed. */
  readonly #completed = new Map<string, number>();

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** The database took the report as this task's completion. */
  complete(task: ClaimedTask): void {
    const key = `${task.runId}/${task.position}/${task.item}`;
    const before = this.#completed.get(key);
    expect(before ?? task.delivery, `task ${key} was completed twice`).toBe(task.delivery);
    this.#completed.set(key, task.delivery);
    this.count("completed");
  }
}

/** Speaks to the database like a worker that does everything at random moments, and like its users. */
export class Actor {
  readonly #o: ActorOptions;
  readonly #worker: SqlWorker;
  #held: ClaimedTask[] = [];

  constructor(options: ActorOptions) {
    this.#o = options;
    this.#worker = new SqlWorker(options.driver, options.lane);
    options.ledger.workers.push(this.#worker.id);
  }

  /** Acts until the time is up. */
  async act(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await this.#step();
      await sleep(this.#o.random() * 3);
    }
  }

  #step(): Promise<unknown> {
    const { driver, ledger, random } = this.#o;
    const dice = random();
    // Of the latest, which are not over yet.
    const run = ledger.runs.at(-1 - Math.floor(random() * RECENT)) ?? ledger.runs[0];
    if (dice < 0.12 || run === undefined) {
      return this.#start();
    }
    if (dice < 0.15) {
      return this.#note("cancelled", cancelRun(driver, run, { error: cancelled(), force: false }));
    }
    if (dice < 0.23) {
      return this.#note("paused", pauseRun(driver, run));
    }
    if (dice < 0.34) {
      return this.#note("resumed", resumeRun(driver, run));
    }
    if (dice < 0.38) {
      const worker = ledger.workers[Math.floor(random() * ledger.workers.length)] ?? "";
      return this.#note("put back", putBack(driver, { worker, status: "lost", maxLosses: 1000 }));
    }
    return dice < 0.42 ? assertInvariants(driver, { instances: false }) : this.#work();
  }

  async #note(what: string, done: Promise<unknown>): Promise<void> {
    if (await done) {
      this.#o.ledger.count(what);
    }
  }

  async #start(): Promise<void> {
    const { ledger, random, workflows } = this.#o;
    const of = workflows[Math.floor(random() * (workflows.length + 1))];
    const maxParallel = random() < 0.3 ? 1 + Math.floor(random() * 3) : null;
    const { runId, row } = await prepare(this.#worker, { of, maxParallel, driver: this.#o.driver });
    await this.#exchange({ starts: [row] });
    ledger.runs.push(runId);
    ledger.count("started");
  }

  /** Hands in some of what it holds, and takes some more; now and then twice, as if the first answer were lost. */
  async #work(): Promise<void> {
    const { random, ledger } = this.#o;
    const done = this.#held.filter(() => random() < 0.7).toSorted(compareTasks);
    this.#held = this.#held.filter((task) => !done.includes(task));
    const reports = await Promise.all(done.map((task) => this.#report(task)));
    const call = { reports, room: Math.floor(random() * 5) };
    const first = this.#exchange(call);
    let reply: Reply;
    if (random() < 0.25) {
      const again = this.#exchange({ ...call, seq: this.#worker.seq });
      const [one, other] = await Promise.all([first, again]);
      // Either of them may have come first, and a hand-out may have been put back between the two.
      reply = one.tasks.length > 0 ? one : other;
      ledger.count("repeated");
    } else {
      reply = await first;
    }
    reports.forEach((report, index) => {
      if (report.outcome === "completed" && !reply.refused.has(index)) {
        ledger.complete(report.task);
      }
    });
    this.#held.push(...reply.tasks);
  }

  async #report(task: ClaimedTask): Promise<SqlReport> {
    const dice = this.#o.random();
    if (dice < 0.06) {
      return {
        task,
        outcome: "retry",
        payload: { code: "STEP_FAILED", message: "again" },
        delayMs: dice * 200,
      };
    }
    if (dice < 0.1) {
      return { task, outcome: "released", delayMs: dice * 100 };
    }
    if (dice < 0.11) {
      return { task, outcome: "failed", payload: { code: "STEP_FAILED", message: "for good" } };
    }
    return { task, outcome: "completed", payload: [0, 1, 2], shape: await this.#growth(task) };
  }

  /** What a plan node's run grows by; null for any other task. */
  async #growth(task: ClaimedTask): Promise<string | null> {
    const [node] = await this.#o.driver.query<{ kind: string; name: string; join: number }>(
      `select s.kind, s.name, (select e.dst from goalpost.edges e
         join goalpost.steps j on j.definition_id = e.definition_id and j.position = e.dst and j.kind in ('join', 'end')
         where e.definition_id = s.definition_id and e.src = s.position limit 1) as join
       from goalpost.steps s where s.definition_id = $1 and s.position = $2`,
      [task.definitionId, task.position],
    );
    if (node?.kind !== "plan") {
      return null;
    }
    const parent = /^\/plan\/(.+)$/.exec(node.name)?.[1];
    const graph = await validate(randomTasks(this.#o.random, parent));
    const place = { position: task.position, join: node.join, depth: parent ? 1 : 0 };
    return JSON.stringify(shapeToRows(compileGraph(graph, parent ? { ...place, parent } : place)));
  }

  /** A call that a deadlock ended is made again with the same number, as workers do. */
  async #exchange(call: Call): Promise<Reply> {
    const promise = this.#worker.exchange(call);
    const { seq } = this.#worker;
    try {
      return await promise;
    } catch (error) {
      if ((error as { code?: string }).code !== "40P01") {
        throw error;
      }
      this.#o.ledger.count("deadlocks");
      return this.#exchange({ ...call, seq });
    }
  }

  /** Settles all it holds and can find, until nothing is left. */
  async finish(): Promise<void> {
    do {
      const reports = await Promise.all(
        this.#held.toSorted(compareTasks).map(async (task): Promise<SqlReport> => {
          return { task, outcome: "completed", payload: [0], shape: await this.#growth(task) };
        }),
      );
      this.#held = [...(await this.#exchange({ reports, room: 50 })).tasks];
    } while (this.#held.length > 0);
  }
}

function cancelled(): { code: "CANCELLED"; message: string } & Record<string, unknown> {
  const { code, message } = new GoalpostError("CANCELLED", "at random");
  return { code: code as "CANCELLED", message, task: null };
}

/** A run of the workflow, or, if there is none, a run whose first task plans it. */
async function prepare(
  worker: SqlWorker,
  { of, maxParallel, driver }: { of: AnyWorkflow | undefined; maxParallel: number | null; driver: Driver },
): Promise<{ runId: string; row: ReturnType<typeof encodeStart> }> {
  const runId = randomUUID();
  const source = of ? "static" : "planned";
  const row = encodeStart({
    id: runId,
    definitionId: of
      ? await ensureDefinition(driver, { name: of.name, hash: of.hash, shape: of.shape, source: "static" })
      : null,
    workflow: of?.name ?? "planned",
    source,
    execution: "distributed",
    lane: worker.lane,
    priority: 0,
    owner: worker.id,
    inputHash: null,
    deadlineMs: null,
    maxParallel,
    labels: null,
    input: "null",
    settings: null,
    shape: of ? null : JSON.stringify(shapeToRows(planShape({ timeoutMs: 1000 }))),
  });
  return { runId, row };
}

/** Up to six tasks; within a task, up to three. Some are compound, some are decomposed when they are reached. */
function randomTasks(random: () => number, parent: string | undefined): TaskSpec[] {
  const prefix = parent ? `${parent}.` : "t";
  const leaf = (id: string): TaskSpec => ({ id, description: id, step: "work" });
  return Array.from({ length: 1 + Math.floor(random() * (parent ? 3 : 6)) }, (_, index): TaskSpec => {
    const task = leaf(`${prefix}${index}`);
    const dependsOn = Array.from({ length: index }, (_, before) => `${prefix}${before}`).filter(
      () => random() < 0.35,
    );
    const dice = random();
    if (!parent && dice < 0.2) {
      return { ...task, dependsOn, decompose: true };
    }
    if (dice < 0.4) {
      return {
        id: task.id,
        description: "",
        dependsOn,
        subtasks: [leaf(`${task.id}x`), leaf(`${task.id}y`)],
      };
    }
    return { ...task, dependsOn };
  });
}
