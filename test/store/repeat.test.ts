import { describe, expect, test } from "vitest";
import type { Queryable } from "../../src/core/driver.ts";
import { read, repeatOnConflict } from "../../src/store/repeat.ts";
import { rejection } from "../promises.ts";

/** A database that fails with these errors first, one a call. */
function failing(errors: readonly Error[]): Queryable & { readonly calls: () => number } {
  let calls = 0;
  return {
    calls: () => calls,
    query: async () => {
      const error = errors[calls];
      calls += 1;
      if (error) {
        throw error;
      }
      return [{ answer: 42 }] as never;
    },
  };
}

const coded = (code: string): Error => Object.assign(new Error(`failed with ${code}`), { code });

describe("reading", () => {
  test.each([
    ["a connection that was cut", new Error("Connection terminated unexpectedly")],
    ["a connection that was reset", coded("ECONNRESET")],
    ["a server that is not there", coded("ECONNREFUSED")],
    ["a server that was stopped", coded("57P01")],
    ["a server that is starting", coded("57P03")],
  ])("is repeated after %s", async (_, error) => {
    const db = failing([error]);
    expect(await read(db, "select 42 as answer", [])).toEqual([{ answer: 42 }]);
    expect(db.calls()).toBe(2);
  });

  test("is not repeated after what the statement is to blame for", async () => {
    const db = failing([coded("22P02")]);
    expect(await rejection(read(db, "select", []))).toMatchObject({ code: "22P02" });
    expect(db.calls()).toBe(1);
  });
});

describe("changing", () => {
  test("is repeated after a deadlock", async () => {
    const db = failing([coded("40P01"), coded("40001")]);
    expect(await repeatOnConflict(() => db.query("select"))).toEqual([{ answer: 42 }]);
  });

  test("is not repeated when the connection breaks: it may have been done", async () => {
    const db = failing([coded("ECONNRESET")]);
    const error = await rejection(repeatOnConflict(() => db.query("select")));
    expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", cause: { code: "ECONNRESET" } });
    expect(db.calls()).toBe(1);
  });
});
