import { expect, test } from "vitest";
import { isTransient } from "../../src/engine/transient.ts";

test.each([
  ["a deadlock", { code: "40P01" }],
  ["a serialization failure", { code: "40001" }],
  ["a server that shuts down", { code: "57P01" }],
  ["a server that starts", { code: "57P03" }],
  ["a connection failure", { code: "08006" }],
  ["too many clients", { code: "53300" }],
  ["a full disk", { code: "53100" }],
  ["a reset connection", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })],
  ["a refused connection", Object.assign(new Error("connect"), { code: "ECONNREFUSED" })],
  ["a connection that ended under a query", new Error("Connection terminated unexpectedly")],
])("a call is repeated after %s", (_, error) => {
  expect(isTransient(error)).toBe(true);
});

test.each([
  ["a number out of range", { code: "22003" }],
  ["text that is no JSON", { code: "22P02" }],
  ["a broken check constraint", { code: "23514" }],
  ["a duplicate key", { code: "23505" }],
  ["too deep nesting", { code: "54001" }],
])("a call is not repeated after %s", (_, error) => {
  expect(isTransient(error)).toBe(false);
});
