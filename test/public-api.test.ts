import { expect, test } from "vitest";
import * as goalpost from "../src/index.ts";
import * as testing from "../src/testing/index.ts";

test("goalpost exports these names", () => {
  expect(Object.keys(goalpost).toSorted()).toMatchInlineSnapshot(`
    [
      "AgentCoordination",
      "Embedding",
      "Goalpost",
      "GoalpostError",
      "Hub",
      "Ingest",
      "InvalidGraphError",
      "LearningSync",
      "LlmRequest",
      "ModelError",
      "NO_ESTIMATES",
      "NonRetryableError",
      "ResultAggregator",
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
      "optimize",
      "predict",
      "renderMermaid",
      "renderTree",
      "rule",
      "rules",
      "silentLogger",
      "simulateGraph",
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
