import { AgentCoordination } from "./agent-coordination.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import { Embedding } from "./embedding-workflow.ts";
import { Ingest } from "./ingest.ts";
import { LlmRequest } from "./llm-request.ts";

/** The workflows that every client knows without registration, by name. */
export const BUILT_IN_WORKFLOWS: ReadonlyMap<string, AnyWorkflow> = new Map(
  [AgentCoordination, Embedding, Ingest, LlmRequest].map((one: AnyWorkflow) => [one.name, one]),
);
