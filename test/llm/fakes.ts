import type { CallOutcome, Ledger, PlannedCall, PriceBook, ReserveAnswer } from "../../src/core/ledger.ts";
import type { LlmRequest, LlmResult } from "../../src/core/llm.ts";
import type { LlmOptions } from "../../src/core/llm-options.ts";
import type {
  ChatModels,
  ModelCallContext,
  ModelRequest,
  ModelResponse,
  TokenUsage,
} from "../../src/core/model.ts";
import type { LlmCallContext, LlmTask } from "../../src/core/model-calls.ts";
import type { Usage } from "../../src/core/usage.ts";
import { silentLogger } from "../../src/index.ts";
import { prepareRequest } from "../../src/llm/llm-caller.ts";
import type { LlmParts } from "../../src/llm/llm-parts.ts";
import { Settlements } from "../../src/llm/settlements.ts";
import { plainUsage } from "../../src/llm/token-usage.ts";
import { FakeClock } from "../../src/testing/index.ts";

type Reply = Partial<ModelResponse> | string | Error;
type Responder = (request: ModelRequest, ctx: ModelCallContext) => Reply | Promise<Reply>;

export const USAGE: TokenUsage = plainUsage(100, 10, false);

/** Models that say what they are told to, one reply a call; the last one again and again. */
export class ScriptedModels implements ChatModels {
  readonly provider: string;
  readonly structured: boolean;
  readonly requests: ModelRequest[] = [];
  readonly #script: readonly (Reply | Responder)[];

  constructor(
    script: readonly (Reply | Responder)[],
    options: { provider?: string; structured?: boolean } = {},
  ) {
    this.#script = script;
    this.provider = options.provider ?? "scripted";
    this.structured = options.structured ?? true;
  }

  get calls(): number {
    return this.requests.length;
  }

  async generate(request: ModelRequest, ctx: ModelCallContext): Promise<ModelResponse> {
    const index = Math.min(this.requests.length, this.#script.length - 1);
    this.requests.push(structuredClone(request));
    const entry = this.#script[index] ?? "";
    const reply = typeof entry === "function" ? await entry(request, ctx) : entry;
    if (reply instanceof Error) {
      throw reply;
    }
    const given = typeof reply === "string" ? { text: reply } : reply;
    return {
      text: "",
      toolCalls: [],
      finishReason: given.toolCalls ? "tool_calls" : "stop",
      refusal: null,
      usage: USAGE,
      model: `${request.model}-served`,
      responseId: "response",
      requestId: "request",
      costUsd: null,
      native: null,
      limits: null,
      ...given,
    };
  }
}

/** A call of a tool as a model asks for it. */
export function toolCall(
  name: string,
  args: unknown,
  id = `call_${name}`,
): ModelResponse["toolCalls"][number] {
  return { id, name, args: args as never };
}

/** A provider that never answers, and does not heed its signal. */
export const never: Responder = () => new Promise(() => undefined);

/** A ledger in memory that answers reservations as it is told, "reserved" otherwise. */
export class MemoryLedger implements Ledger {
  readonly planned: PlannedCall[] = [];
  readonly outcomes: CallOutcome[] = [];
  readonly held: { provider: string; model: string; waitMs: number }[] = [];
  answers: ReserveAnswer[] = [];
  /** Settlements that fail. */
  failures = 0;

  async reserve(call: PlannedCall): Promise<ReserveAnswer> {
    const answer = this.answers.shift() ?? { outcome: "reserved" };
    if (answer.outcome === "reserved") {
      this.planned.push(call);
    }
    return answer;
  }

  async settle(outcome: CallOutcome): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("the database is away");
    }
    if (!this.outcomes.some(({ callId }) => callId === outcome.callId)) {
      this.outcomes.push(outcome);
    }
  }

  async record(call: PlannedCall, outcome: CallOutcome): Promise<ReserveAnswer> {
    const answer = await this.reserve(call);
    if (answer.outcome === "reserved") {
      await this.settle(outcome);
    }
    return answer;
  }

  async holdBack(provider: string, model: string, waitMs: number): Promise<void> {
    this.held.push({ provider, model, waitMs });
  }

  async usageOf(requestId: string): Promise<Usage> {
    const calls = this.planned.filter((call) => call.requestId === requestId).length;
    return { ...plainUsage(0, 0, false), calls, costUsd: 0 };
  }
}

/** A thousandth of a dollar a token; models whose name begins with "unknown" have no price. */
export const pricesOfTests: PriceBook = {
  price: ({ model }, { inputTokens, outputTokens }, reportedUsd) => {
    if (reportedUsd !== null && reportedUsd !== undefined) {
      return { costNanoUsd: BigInt(reportedUsd * 1e9), priceSource: "provider", unitPrices: null };
    }
    return model.startsWith("unknown")
      ? { costNanoUsd: null, priceSource: "unknown", unitPrices: null }
      : {
          costNanoUsd: BigInt(inputTokens + outputTokens) * 1_000_000n,
          priceSource: "catalogue",
          unitPrices: {},
        };
  },
};

/** What a test asks models with. */
export interface Desk {
  readonly clock: FakeClock;
  readonly ledger: MemoryLedger;
  readonly parts: LlmParts;
  ask<T = null>(request: Partial<LlmRequest<T>>, ctx?: Partial<LlmCallContext>): Promise<LlmResult<T>>;
}

export interface DeskOptions {
  /** By name, in order of preference. */
  readonly providers?: Readonly<Record<string, ChatModels>>;
  readonly options?: LlmOptions;
}

/** Everything that a request needs, with a clock that stands still and no jitter below the whole. */
export function openDesk({ providers = {}, options = {} }: DeskOptions = {}): Desk {
  const clock = new FakeClock();
  const ledger = new MemoryLedger();
  const parts: LlmParts = {
    clock,
    logger: silentLogger,
    ledger,
    prices: pricesOfTests,
    settlements: new Settlements({ ledger, clock, logger: silentLogger }),
    providers: Object.entries(providers).map(([name, models]) => ({ name, models })),
    options: { providers, ...options },
    random: () => 1,
  };
  return {
    clock,
    ledger,
    parts,
    ask: async (request, ctx = {}) => {
      const messages = [{ role: "user" as const, content: "What is it?" }];
      const prepared = await prepareRequest(parts, { messages, ...request });
      return prepared.ask({ ...outside(), ...ctx });
    },
  };
}

/** One scripted provider, asked for its model "m" unless the request says otherwise. */
export function openScripted(
  ...script: readonly (Reply | Responder)[]
): Desk & { readonly models: ScriptedModels } {
  const models = new ScriptedModels(script);
  return { ...openDesk({ providers: { scripted: models } }), models };
}

/** Where a request is made that belongs to no task. */
export function outside(): LlmCallContext {
  return {
    requestId: "00000000-0000-4000-8000-000000000001",
    scope: {
      runId: null,
      workflow: null,
      position: null,
      taskId: null,
      item: null,
      attempt: 1,
      instance: "test",
      labels: null,
    },
    signal: new AbortController().signal,
    deadlineAt: null,
    resumed: false,
    task: null,
  };
}

/** What a released task throws. */
export class Released extends Error {
  readonly delayMs: number;
  constructor(delayMs: number) {
    super("released");
    this.delayMs = delayMs;
  }
}

/** A task that remembers in memory, approves of all, and releases by throwing. */
export function fakeTask(memory: Map<string, string> = new Map()): LlmTask {
  return {
    recall: (key) => {
      const text = memory.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    remember: async (key, value) => {
      memory.set(key, JSON.stringify(value));
    },
    keepBusy: (work) => work(),
    approve: async ({ args }) => ({ approved: true, args }),
    release: async (delayMs) => {
      throw new Released(delayMs);
    },
  };
}

/** Lets everything run that needs no clock. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise(setImmediate);
  }
}
