import { expect, test } from "vitest";
import { fuseRanks } from "../../src/documents/rank-fusion.ts";

test("what two rankings both have comes before what one has first", () => {
  expect(
    fuseRanks([
      ["a", "b"],
      ["c", "b"],
    ]),
  ).toEqual(["b", "a", "c"]);
});

test("one ranking alone is kept as it is", () => {
  expect(fuseRanks([["c", "a", "b"], []])).toEqual(["c", "a", "b"]);
});
