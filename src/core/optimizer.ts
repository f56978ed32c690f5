import type { TaskSpec } from "./goal.ts";

/** How much of what past runs taught is used. */
export type OptimizeLevel = "basic" | "advanced" | "aggressive";

/** Something that the optimizer changed, or chose not to. */
export interface Decision {
  readonly kind:
    | "rank"
    | "run_key"
    | "merge"
    | "reduce"
    | "drop_edge"
    | "conflict_edge"
    | "timeout"
    | "retry"
    | "model"
    | "fuse"
    | "hedge"
    | "cascade"
    | "plan_reuse"
    | "level";
  /** The tasks that it is about. */
  readonly tasks: readonly string[];
  /** What changed, in one sentence for a person. */
  readonly change: string;
  /** Why, in one sentence for a person: the evidence. */
  readonly reason: string;
  /** Samples behind it; 0 for decisions that need none. */
  readonly samples: number;
  /** False: it was weighed and left. */
  readonly adopted: boolean;
  /** Predicted makespan or cost before and after, where it was simulated. */
  readonly predicted?:
    | {
        readonly makespanMs?: { readonly before: number; readonly after: number } | undefined;
        readonly costUsd?: { readonly before: number; readonly after: number } | undefined;
      }
    | undefined;
}

/** How one task is dispatched; what is left out is as the task's spec and its step say. */
export interface DispatchHint {
  /** Larger is sooner within the run: the longest way left, in milliseconds or, without estimates, in hops. */
  readonly rank: number;
  /** Milliseconds that one try may take. Never where the task or step has one of its own. */
  readonly timeoutMs?: number | undefined;
  /** Error codes after which no other try is made. */
  readonly finalErrors?: readonly string[] | undefined;
  /** Milliseconds after which a second copy of an idempotent task is started. */
  readonly hedgeAfterMs?: number | undefined;
  /** The model for requests of the task that leave it to "auto". */
  readonly model?: { readonly provider: string; readonly model: string } | undefined;
}

/** A graph as it is to be dispatched. */
export interface OptimizedGraph {
  /** The tasks: those of the plan, less merged ones and edges that need not be. */
  readonly tasks: readonly TaskSpec[];
  /** By task id; every leaf task has one. */
  readonly hints: ReadonlyMap<string, DispatchHint>;
  /** The tasks that others stand for: their output is that of the other. */
  readonly mergedInto: ReadonlyMap<string, string>;
  /** Half of the expected work in milliseconds: what is added to the run's key. */
  readonly runKeyDelayMs: number;
  /** The level that was used: a lower one where there was too little evidence. */
  readonly level: OptimizeLevel;
}

/** The answer of `optimize`. */
export interface Optimized {
  readonly graph: OptimizedGraph;
  readonly decisions: readonly Decision[];
}
