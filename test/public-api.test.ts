import { expect, test } from "vitest";
import * as goalpost from "../src/index.ts";
import * as testing from "../src/testing/index.ts";

test("goalpost exports these names", () => {
  expect(Object.keys(goalpost).toSorted()).toMatchInlineSnapshot(`
    [
      "AgentCoordination",
      "Goalpost",
      "GoalpostError",
      "InvalidGraphError",
      "LlmRequest",
      "ModelError",
      "NonRetryableError",
      "RetryAfterError",
      "RunFailedError",
      "VERSION",
      "databaseFromEnvironment",
      "debate",
      "defineApp",
      "defineStep",
      "defineSteps",
      "executeGoal",
      "handOff",
      "isApp",
      "isGoalpostError",
      "llmDecomposer",
      "mapReduce",
      "migrateDatabase",
      "renderMermaid",
      "renderTree",
      "rule",
      "rules",
      "silentLogger",
      "supervisor",
      "vote",
      "workflow",
    ]
  `);
});

test("goalpost/testing exports these names", () => {
  expect(Object.keys(testing).toSorted()).toMatchInlineSnapshot(`
    [
      "FAKE_START",
      "FakeClock",
      "always",
      "cassette",
      "openTestGoalpost",
      "scriptedModel",
      "when",
      "whenever",
    ]
  `);
});
