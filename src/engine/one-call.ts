import { NO_AGENTS } from "../core/agent.ts";
import { GoalpostError } from "../core/errors.ts";
import { type Json, toJson } from "../core/json.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import { checkProgress } from "../core/progress.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import type { AttemptTimer } from "./attempt-timer.ts";
import type { TaskCall } from "./code.ts";
import type { DefinitionNode } from "./definitions.ts";
import type { Growth } from "./growth.ts";
import { Memory } from "./memory.ts";
import { ProgressNotes } from "./progress-notes.ts";
import type { RunInfo } from "./protocol.ts";
import type { Waits } from "./waits.ts";

/** What belongs to one try. */
export interface Try {
  readonly waits: Waits;
  readonly timer: AttemptTimer;
  /** What the task remembers, if another copy of the try has it already. */
  readonly memory?: Memory | undefined;
}

/** What the code of a task is given. One is made for every try: what most of them never use is made when it is used. */
export class OneCall implements TaskCall {
  readonly run: RunInfo;
  readonly node: DefinitionNode;
  readonly inputs: Readonly<Record<string, Json>>;
  readonly attempt: number;
  readonly index: number | undefined;
  readonly itemInput: Json;
  readonly log: Logger;
  readonly approvedArgs: Json | undefined;
  readonly waits: Waits;
  readonly models: ModelCalls;
  readonly agents: TaskCall["agents"];
  readonly resumed: boolean;
  readonly #options: AttemptOptions;
  readonly #timer: AttemptTimer;
  #memory: Memory | undefined;
  #notes: ProgressNotes | undefined;

  constructor(options: AttemptOptions, own: Try, approved: Json) {
    const { task } = options;
    this.run = options.run;
    this.node = options.node;
    this.inputs = options.inputs;
    this.attempt = task.failures + 1;
    this.index = task.item < 0 ? undefined : task.item;
    this.itemInput = task.itemInput;
    this.log = options.logger;
    this.approvedArgs = approved ?? undefined;
    this.waits = own.waits;
    this.models = options.models;
    this.agents = options.agents ?? NO_AGENTS;
    this.resumed = task.delivery > 1;
    this.#options = options;
    this.#timer = own.timer;
    this.#memory = own.memory;
  }

  get signal(): AbortSignal {
    return this.#options.abort.signal;
  }

  get deadlineAt(): number | null {
    return this.#options.code.policy.timeoutGiven ? this.#timer.endsAt : null;
  }

  send(channel: string, message: unknown): Promise<string> {
    this.#options.abort.throwIfAborted();
    if (this.waits.suspension) {
      throw this.waits.suspension;
    }
    return this.#options.send(channel, message);
  }

  progress(fraction: number, note?: string): void {
    const progress = checkProgress(fraction, note);
    if (this.#options.abort.aborted) {
      return;
    }
    this.#notes ??= new ProgressNotes(this.#options.clock, this.#options.storeProgress);
    this.#notes.tell(progress);
  }

  once(key: string, fn: () => unknown): Promise<Json> {
    return this.waits.keepBusy(() => this.memory.once(key, fn));
  }

  recall(key: string): Json | undefined {
    return this.memory.recall(key);
  }

  release(delayMs: number, reason: string): never {
    return this.waits.release(delayMs, reason);
  }

  untimed<T>(work: () => Promise<T>): Promise<T> {
    return this.#options.code.policy.timeoutGiven ? work() : this.#timer.hold(work);
  }

  spend(answer: Parameters<TaskCall["spend"]>[0]): void {
    this.#options.spend?.(answer);
  }

  growth(): Growth {
    return this.#options.growth();
  }

  /** What it has in common with other copies of the try. */
  get memory(): Memory {
    this.#memory ??= new Memory({
      cancellation: this.#options.abort,
      stored: this.#options.task.checkpoints,
      make: (key, fn) => this.#store(key, fn),
    });
    return this.#memory;
  }

  async #store(key: string, fn: () => unknown): Promise<string> {
    const text = toJson(await fn(), `ctx.once("${key}") of step "${stepOf(this.node)}" was given`);
    checkSize(text, this.#options);
    this.#options.abort.throwIfAborted();
    const status = await this.#options.mark(key, text);
    if (status) {
      throw new GoalpostError(
        "LEASE_LOST",
        `ctx.once("${key}") came too late: the task is no longer this worker's`,
      );
    }
    return text;
  }
}

/** @throws OUTPUT_TOO_LARGE */
export function checkSize(text: string, { node, maxOutputBytes }: AttemptOptions): void {
  // A character is at most three bytes: most outputs need no exact count.
  if (text.length * 3 <= maxOutputBytes || Buffer.byteLength(text) <= maxOutputBytes) {
    return;
  }
  throw new GoalpostError(
    "OUTPUT_TOO_LARGE",
    `step "${stepOf(node)}" returned ${Buffer.byteLength(text)} bytes of JSON; ${maxOutputBytes} are allowed. ` +
      "Store large data elsewhere and return where it is, or raise workers.maxOutputBytes.",
  );
}

/** The step that does the work of a node. */
export function stepOf(node: DefinitionNode): string {
  return node.spec.step ?? node.name;
}
