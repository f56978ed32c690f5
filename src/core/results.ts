import type { Goal, ValidTaskGraph } from "./goal.ts";
import type { Json } from "./json.ts";
import type { Usage } from "./usage.ts";

/** What a finished run of a workflow returns. */
export interface RunResult<Output> {
  readonly runId: string;
  /** The outputs of the leaves by name. */
  readonly output: Output;
  readonly usage: Usage;
}

/** What a finished run of a goal returns. */
export interface GoalResult {
  readonly runId: string;
  readonly status: "completed";
  readonly goal: Goal;
  /** The graph as it was planned. */
  readonly graph: ValidTaskGraph;
  /** The output of every task by id. */
  readonly outputs: Readonly<Record<string, Json>>;
  /** The outputs of the leaves by id. */
  readonly output: Readonly<Record<string, Json>>;
  readonly usage: Usage;
  readonly durationMs: number;
}
