import { expect, test } from "vitest";
import { Cancellation } from "../../src/engine/cancellation.ts";
import { rejection } from "../promises.ts";

test("work that is called off rejects with the reason at once, whatever it does then", async () => {
  const cancellation = new Cancellation();
  const reason = new Error("no longer wanted");
  const work = cancellation.until(() => new Promise(() => undefined));
  cancellation.abort(reason);
  expect(await rejection(work)).toBe(reason);
});

test("work that was called off before does not begin", async () => {
  const cancellation = new Cancellation();
  const reason = new Error("no longer wanted");
  cancellation.abort(reason);
  let begun = false;
  const work = cancellation.until(async () => {
    begun = true;
  });
  expect(await rejection(work)).toBe(reason);
  expect(begun).toBe(false);
});

test("a signal that is asked for before or after tells the same reason, the first one", () => {
  const cancellation = new Cancellation();
  const reason = new Error("the first");
  const before = cancellation.signal;
  const heard: unknown[] = [];
  before.addEventListener("abort", () => heard.push(before.reason));
  cancellation.abort(reason);
  cancellation.abort(new Error("the second"));
  expect(heard).toEqual([reason]);
  expect(cancellation.signal).toBe(before);
  const late = new Cancellation();
  late.abort(reason);
  expect(late.signal).toMatchObject({ aborted: true, reason });
});

test("the end of the work is its own", async () => {
  expect(await new Cancellation().until(async () => 7)).toBe(7);
});
