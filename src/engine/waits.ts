import { v5 as uuidOf } from "uuid";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { ToolApproval, ToolDecision } from "../core/model-calls.ts";
import { checkName } from "../core/names.ts";
import type { GoalResult, RunResult } from "../core/results.ts";
import type { ChildOptions, KeyOptions, WaitForOptions } from "../core/step.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import { AwaitedPromises } from "./awaited.ts";
import type { ChildGoal, ChildRuns } from "./children.ts";
import {
  type ClaimedTask,
  encodeBatch,
  encodeStart,
  type FinishedRun,
  type StartRow,
  type StoredWait,
} from "./protocol.ts";
import { Release, Suspension } from "./suspension.ts";
import { checkKey, checkTime, refuseOther, requireKey } from "./wait-rules.ts";

const APPROVAL_KEY = "/approval";
/** What follows is the id of a call: see migrations/functions/decide_approval.sql. */
const TOOL_KEY = "/call/";

/** What a step asks for when it waits. */
interface Question<T> {
  readonly kind: StoredWait["kind"];
  /** The name of the signal or of the child's workflow. */
  readonly name: string | null;
  /** Milliseconds until it is over; null: as long as it takes. */
  readonly ms: number | null;
  /** Reads the answer; a rejection is the answer's. */
  readonly read: (stored: StoredWait) => T | Promise<T>;
  /** JSON text of what somebody is asked about. */
  readonly asked?: string;
  /** Does what is to be answered, before the wait is stored; after a crash once more. */
  readonly begin?: (() => Promise<void>) | undefined;
  /** Makes the child to be started. */
  readonly prepare?: (runId: string) => Promise<StartRow>;
}

/** A signal that is waited for. */
export interface AwaitedAnswer<T> {
  /** The signal's name. */
  readonly name: string;
  readonly timeoutMs: number | undefined;
  readonly timedOut: () => GoalpostError;
  readonly read: (answer: Json) => T;
  readonly begin?: () => Promise<void>;
}

function forSignal<T>({ name, timeoutMs, timedOut, read, begin }: AwaitedAnswer<T>): Question<T> {
  return {
    kind: "signal",
    name,
    ms: timeoutMs ?? null,
    begin,
    read: (stored) => {
      if (stored.state === "timed_out") {
        throw timedOut();
      }
      return read(stored.answer);
    },
  };
}

interface Call {
  readonly key: string;
  readonly question: Question<unknown>;
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly childId: string | null;
  readonly stored: StoredWait | undefined;
  child: StartRow | undefined;
  open: boolean;
  /** Whether the function waited for it when it was suspended. */
  awaited: boolean;
}

export interface WaitsOptions {
  readonly task: ClaimedTask;
  readonly taskId: string;
  readonly children: ChildRuns;
}

/**
 * What one call of a step's function waits for. Answers that the database has are given in the order in which they
 * came, one a turn of the event loop, so that what raced then races the same way now. When the function waits for
 * something without an answer, and for nothing else that ctx does for it, it is suspended: all open waits reject with
 * a {@link Suspension}, and so does every call after.
 */
export class Waits {
  readonly #options: WaitsOptions;
  /** Made by the first wait: most steps never wait. */
  #promises: AwaitedPromises | undefined;
  readonly #calls = new Map<string, Call>();
  /** Calls whose answers are there and not given yet. */
  #answered: Call[] = [];
  #ordinal = 0;
  #busy = 0;
  #giving = false;
  #looking = false;
  #over = false;
  #suspension: Suspension | Release | undefined;

  constructor(options: WaitsOptions) {
    this.#options = options;
  }

  get #awaited(): AwaitedPromises {
    this.#promises ??= new AwaitedPromises(() => this.#lookLater());
    return this.#promises;
  }

  /** Set once the function is suspended, or its try given up, whatever it does then. */
  get suspension(): Suspension | Release | undefined {
    return this.#suspension;
  }

  /** Whether it would be suspended but for something that must not be cut off. */
  get isHeldUp(): boolean {
    return this.#busy > 0 && [...this.#calls.values()].some((call) => call.open);
  }

  /** The function has ended: it waits for nothing any more. */
  end(): void {
    this.#over = true;
  }

  /**
   * Gives the try up: the task is ready again after that many milliseconds. What else is under way for the function, be
   * it this call's own surroundings, holds nothing up.
   */
  release(delayMs: number, reason: string): never {
    if (!this.#suspension) {
      this.#suspension = new Release(this.#options.taskId, Math.max(0, Math.ceil(delayMs)), reason);
      for (const call of this.#calls.values()) {
        if (call.open) {
          this.#reject(call, this.#suspension);
        }
      }
    }
    throw this.#suspension;
  }

  /** Does something for the function that must not be cut off. @throws Suspension, Release */
  async keepBusy<T>(work: () => Promise<T>): Promise<T> {
    if (this.#suspension) {
      throw this.#suspension;
    }
    this.#busy += 1;
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      this.#lookLater();
    }
  }

  sleep(ms: number, options: KeyOptions = {}): Promise<void> {
    return this.#ask<void>(options.key, () => {
      checkTime(ms, "ctx.sleep(ms): ms");
      return { kind: "sleep", name: null, ms, read: () => undefined };
    });
  }

  waitFor(name: string, options: WaitForOptions = {}): Promise<Json> {
    return this.#ask<Json>(options.key, () => {
      checkName(name, "signal");
      checkTime(options.timeoutMs, "ctx.waitFor: timeoutMs");
      const timedOut = (): GoalpostError =>
        new GoalpostError(
          "WAIT_TIMEOUT",
          `signal "${name}" did not come within the timeoutMs of ctx.waitFor`,
          { retryable: false, details: { signal: name } },
        );
      return forSignal({ name, timeoutMs: options.timeoutMs, timedOut, read: (answer) => answer });
    });
  }

  /** Waits for a signal that answers what `begin` does. */
  answerTo<T>(key: string, answer: AwaitedAnswer<T>): Promise<T> {
    return this.#ask<T>(key, () => {
      checkTime(answer.timeoutMs, "timeoutMs");
      return forSignal(answer);
    });
  }

  /** Waits for gp.runs.approve; resolves to the args that were given with it. @throws REJECTED */
  approval(): Promise<Json> {
    const { taskId } = this.#options;
    const read = ({ state, by, note, answer }: StoredWait): Json => {
      if (state === "rejected") {
        throw new GoalpostError("REJECTED", `task "${taskId}" was rejected by ${by}: ${note}`, {
          details: { by, reason: note },
        });
      }
      return answer;
    };
    return this.#open(APPROVAL_KEY, { kind: "approval", name: null, ms: null, read }) as Promise<Json>;
  }

  /** Waits for gp.runs.approve, or reject, of one call of a tool. */
  toolApproval({ id, tool, args }: ToolApproval): Promise<ToolDecision> {
    const read = ({ state, by, note, answer }: StoredWait): ToolDecision =>
      state === "rejected"
        ? { approved: false, by: by ?? "", reason: note ?? "" }
        : { approved: true, args: answer };
    const question = { kind: "approval", name: tool, ms: null, asked: JSON.stringify(args), read } as const;
    return this.#open(`${TOOL_KEY}${id}`, question) as Promise<ToolDecision>;
  }

  execute(workflow: AnyWorkflow, input: unknown, options: ChildOptions): Promise<RunResult<unknown>> {
    const { children } = this.#options;
    return this.#ask(requireKey(options, "ctx.execute(workflow, input, { key })"), () => ({
      kind: "child",
      name: workflow.name,
      ms: null,
      prepare: (runId) => children.prepareWorkflow(runId, { workflow, input, options }),
      read: (stored) => children.workflowResult(childOf(stored)),
    }));
  }

  executeGoal(child: ChildGoal): Promise<GoalResult> {
    const { children } = this.#options;
    return this.#ask(requireKey(child.options, "ctx.executeGoal(goal, decomposer, steps, { key })"), () => ({
      kind: "child",
      name: "goal",
      ms: null,
      prepare: (runId) => children.prepareGoal(runId, child),
      read: (stored) => children.goalResult(childOf(stored)),
    }));
  }

  /** What is stored of the open waits: see migrations/functions/suspend_tasks.sql. JSON text. */
  report(): string {
    const open = [...this.#calls.values()].filter((call) => call.open);
    const waits = open.map(({ key, question, childId, awaited }) => [
      key,
      question.kind,
      question.name,
      question.ms,
      childId,
      awaited,
      question.asked ?? null,
    ]);
    const children = open.flatMap(({ child }) => (child ? [encodeStart(child)] : []));
    const [heads, inputs, plans] = encodeBatch(children);
    return `[${JSON.stringify(waits)},${heads ?? "[]"},${inputs ?? "[]"},${plans ?? "null"}]`;
  }

  #ask<T>(key: string | undefined | GoalpostError, question: () => Question<T>): Promise<T> {
    try {
      if (key instanceof GoalpostError) {
        throw key;
      }
      if (key !== undefined) {
        checkKey(key);
      }
      const asked = question();
      // Counted only where no key is given: a call with a key can be added without moving the others.
      return this.#open(key ?? `/${++this.#ordinal}`, asked) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #open(key: string, question: Question<unknown>): Promise<unknown> {
    if (this.#suspension) {
      return Promise.reject(this.#suspension);
    }
    const known = this.#calls.get(key);
    const stored = this.#options.task.waits.find((wait) => wait.key === key);
    refuseOther(key, question, known?.question ?? stored);
    if (known) {
      return known.promise;
    }
    const call = this.#make(key, question, stored);
    this.#calls.set(key, call);
    if (stored && stored.state !== "waiting") {
      this.#answered.push(call);
      void this.#give();
    } else if (question.prepare) {
      this.#prepare(call, question.prepare);
    } else if (question.begin && !stored) {
      this.keepBusy(question.begin).catch((error: unknown) => {
        call.open = false;
        this.#reject(call, error);
      });
    }
    return call.promise;
  }

  #make(key: string, question: Question<unknown>, stored: StoredWait | undefined): Call {
    const { runId, position, item } = this.#options.task;
    let resolve: Call["resolve"] = () => undefined;
    let reject: Call["reject"] = () => undefined;
    const promise = new Promise<unknown>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    this.#awaited.watch(promise);
    const childId = question.kind === "child" ? uuidOf(`${position}/${item}/${key}`, runId) : null;
    return {
      key,
      question,
      promise,
      resolve,
      reject,
      childId,
      stored,
      child: undefined,
      open: true,
      awaited: false,
    };
  }

  /** A child that is there already is prepared as well: its code may be unknown to this process. */
  #prepare(call: Call, prepare: (runId: string) => Promise<StartRow>): void {
    this.keepBusy(() => prepare(call.childId ?? "")).then(
      (row) => {
        call.child = call.stored ? undefined : row;
      },
      (error: unknown) => {
        call.open = false;
        this.#reject(call, error);
      },
    );
  }

  /** Gives answers, the oldest of those that are asked for first, and lets the function go on between two. */
  async #give(): Promise<void> {
    if (this.#giving) {
      return;
    }
    this.#giving = true;
    for (await turn(); this.#answered.length > 0; await turn()) {
      const order = (call: Call): number => call.stored?.order ?? 0;
      const next = this.#answered.reduce((first, call) => (order(call) < order(first) ? call : first));
      this.#answered = this.#answered.filter((call) => call !== next);
      try {
        next.resolve(await next.question.read(next.stored as StoredWait));
      } catch (error) {
        this.#reject(next, error);
      }
      next.open = false;
    }
    this.#giving = false;
    this.#lookLater();
  }

  /** The function may look at it later, or never. */
  #reject({ promise, reject }: Call, error: unknown): void {
    this.#awaited.forgive(promise);
    reject(error);
  }

  /** A turn later, so that waits that are begun together are parked together. */
  #lookLater(): void {
    if (this.#calls.size > 0 && !this.#looking && !this.#over && !this.#suspension) {
      this.#looking = true;
      setImmediate(() => {
        this.#looking = false;
        this.#look();
      });
    }
  }

  #look(): void {
    if (this.#over || this.#giving || this.#busy > 0 || this.#suspension) {
      return;
    }
    const open = [...this.#calls.values()].filter((call) => call.open);
    for (const call of open) {
      call.awaited = this.#awaited.isAwaited(call.promise);
    }
    const awaited = open.filter((call) => call.awaited);
    if (awaited.length > 0) {
      this.#suspension = new Suspension(this.#options.taskId, awaited.map(describe));
      for (const call of open) {
        this.#reject(call, this.#suspension);
      }
    }
  }
}

function turn(): Promise<void> {
  return new Promise(setImmediate);
}

function describe({ key, question: { kind, name } }: Call): string {
  return `${kind}${name === null ? "" : ` "${name}"`} (key ${key})`;
}

function childOf({ child }: StoredWait): FinishedRun {
  if (!child) {
    throw new GoalpostError("RUN_NOT_FOUND", "the child run was deleted before its parent had its result", {
      retryable: false,
    });
  }
  return child;
}
