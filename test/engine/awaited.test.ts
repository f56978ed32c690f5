import { describe, expect, test } from "vitest";
import { AwaitedPromises } from "../../src/engine/awaited.ts";
import { defer } from "../promises.ts";

/** Who waits for `open`, a turn after `use` was called with it and with a promise that is resolved. */
async function isAwaited(use: (open: Promise<string>, done: Promise<string>) => unknown): Promise<boolean> {
  const promises = new AwaitedPromises(() => undefined);
  const open = promises.watch(defer<string>().promise);
  const resolved = defer<string>();
  const done = promises.watch(resolved.promise);
  void use(open, done);
  resolved.resolve("done");
  await new Promise(setImmediate);
  return promises.isAwaited(open);
}

const label = (): string => "label";

describe("a promise is waited for", () => {
  test.each<[string, (open: Promise<string>, done: Promise<string>) => unknown]>([
    ["by await", async (open) => await open],
    ["by return from an async function", async (open) => open],
    ["by then", (open) => open.then(label)],
    ["by catch and finally", (open) => open.catch(label).finally(label)],
    ["by Promise.all with one that is done", (open, done) => Promise.all([open, done])],
    ["by Promise.allSettled with one that is done", (open, done) => Promise.allSettled([done, open])],
    [
      "by Promise.all over what is derived",
      (open, done) => Promise.all([open.then(label), done.then(label)]),
    ],
    ["by a race alone", (open) => Promise.race([open])],
    [
      "by for await",
      async (open) => {
        for await (const value of [open]) {
          label.call(value);
        }
      },
    ],
    [
      "by await after a race that it lost",
      async (open, done) => {
        await Promise.race([open, done]);
        await open;
      },
    ],
    [
      "by another race after one that it lost",
      async (open, done) => {
        await Promise.race([open, done]);
        await Promise.race([open, defer().promise]);
      },
    ],
    [
      "by compiled code that awaits with one function",
      (open, done) => {
        const step = (): void => void open.then(step);
        done.then(step);
      },
    ],
  ])("%s", async (_, use) => {
    expect(await isAwaited(use)).toBe(true);
  });
});

describe("a promise is not waited for", () => {
  test.each<[string, (open: Promise<string>, done: Promise<string>) => unknown]>([
    ["when nobody looks at it", () => undefined],
    ["when it lost a race", (open, done) => Promise.race([open, done])],
    [
      "when it lost a race, however it was derived",
      (open, done) => Promise.race([open.then(label).catch(label), done.then(label)]),
    ],
    ["when another was first of any", (open, done) => Promise.any([open, done])],
    ["when the race is in a race", (open, done) => Promise.race([Promise.race([open, done])])],
  ])("%s", async (_, use) => {
    expect(await isAwaited(use)).toBe(false);
  });
});

test("a promise that is watched is a promise like others", async () => {
  const promises = new AwaitedPromises(() => undefined);
  const given = defer<number>();
  const promise = promises.watch(given.promise);
  expect(promise).toBeInstanceOf(Promise);
  expect(Promise.resolve(promise)).toBe(promise);
  given.resolve(1);
  expect(await promise).toBe(1);
  expect(await promise.then((value) => value + 1)).toBe(2);
  expect(await Promise.all([promise, promise.finally(() => undefined)])).toEqual([1, 1]);
});

test("a rejection that is forgiven can still be seen", async () => {
  const promises = new AwaitedPromises(() => undefined);
  const given = defer();
  const promise = promises.watch(given.promise);
  const derived = promise.then(label);
  promises.forgive(promise);
  given.reject(new Error("forgiven"));
  await new Promise(setImmediate);
  await expect(promise).rejects.toThrow("forgiven");
  await expect(derived).rejects.toThrow("forgiven");
});
