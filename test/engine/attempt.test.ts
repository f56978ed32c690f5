import { expect, test } from "vitest";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { carryOut } from "../../src/engine/attempt.ts";
import { silentLogger } from "../../src/index.ts";
import { FakeClock } from "../../src/testing/index.ts";
import { noChildren, noModels, sendNothing } from "../no-children.ts";

test("a try that was aborted before it began, while its definition was loaded, does not begin", async () => {
  const abort = new AbortController();
  abort.abort(new Error("the worker is stopping"));
  let begun = false;
  const report = await carryOut({
    task: {
      runId: "r",
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
      id: "r",
      input: null,
      settings: null,
      workflow: "w",
      source: "static",
      extras: false,
      inputText: "null",
    },
    node: { position: 0, name: "a", kind: "step", spec: {}, inputs: [], within: [] },
    inputs: {},
    code: {
      policy: { maxAttempts: 1, timeoutMs: 1000, retry: DEFAULT_RETRY, approval: false },
      execute: () => {
        begun = true;
        return new Promise(() => undefined);
      },
    },
    abort,
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
  });
  expect(report).toBeUndefined();
  expect(begun).toBe(false);
});
