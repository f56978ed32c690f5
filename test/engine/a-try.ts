import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import type { AttemptOptions } from "../../src/engine/attempt-options.ts";
import { Cancellation } from "../../src/engine/cancellation.ts";
import type { TaskCall } from "../../src/engine/code.ts";
import { silentLogger } from "../../src/index.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { noChildren, noModels, sendNothing } from "../no-children.ts";

/** A try of a task that was never handed out before, with 30 s that nobody chose. */
export function aTry(
  execute: (call: TaskCall) => Promise<unknown>,
  own: Partial<AttemptOptions> = {},
): AttemptOptions {
  return {
    task: {
      runId: "00000000-0000-4000-8000-000000000001",
      position: 0,
      item: -1,
      delivery: 1,
      failures: 0,
      definitionId: 1,
      itemInput: null,
      checkpoints: {},
      waits: [],
    },
    run: {
      id: "00000000-0000-4000-8000-000000000001",
      input: null,
      settings: null,
      workflow: "w",
      source: "static",
      extras: false,
      inputText: "null",
    },
    node: { position: 0, name: "a", kind: "step", spec: {}, inputs: [], within: [], lane: null, rank: 0 },
    inputs: {},
    code: {
      policy: { maxAttempts: 1, timeoutMs: 30_000, retry: DEFAULT_RETRY, approval: false },
      execute: async (call) => ({ output: await execute(call) }),
    },
    abort: new Cancellation(),
    children: noChildren,
    send: sendNothing,
    storeProgress: async () => undefined,
    models: noModels,
    growth: () => {
      throw new Error("it does not plan");
    },
    clock: new FakeClock(),
    logger: silentLogger,
    maxOutputBytes: 1000,
    mark: async () => null,
    started: () => undefined,
    ...own,
  };
}
