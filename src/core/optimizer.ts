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
  /**
   * Milliseconds that one try may take. Never where the task or step has one of its own. The last try of a task has the
   * static one: a timeout that was learned wrong costs time, not the run.
   */
  readonly timeoutMs?: number | undefined;
  /** Error codes after which no other try is made. */
  readonly finalErrors?: readonly string[] | undefined;
  /** Milliseconds after which a second copy of an idempotent task is started. */
  readonly hedgeAfterMs?: number | undefined;
  /** The model that requests of the task ask first which leave it to "auto", unless a choice is learned for them. */
  readonly model?: { readonly provider: string; readonly model: string } | undefined;
  /** All tasks of which this is so could take twice their expected times without the graph taking longer. */
  readonly offCriticalPath?: boolean | undefined;
}

/** A graph as it is to be dispatched. */
export interface OptimizedGraph {
  /** The tasks: those of the plan, less merged ones and edges that need not be. */
  readonly tasks: readonly TaskSpec[];
  /** By task id; every leaf task has one. */
  readonly hints: ReadonlyMap<string, DispatchHint>;
  /**
   * The tasks that others stand for: their output is that of the other. Dependencies and references lead to the other
   * now; what dependents are given under the id of the merged task, and the run's outputs, are to hold it still.
   */
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

/** What is known of a step besides its estimates; what is left out is taken for no. */
export interface StepFacts {
  /** It reads and changes nothing that others can see: the same args give the same output. */
  readonly effectFree?: boolean | undefined;
  /** Two copies of one task may be carried out at once. */
  readonly idempotent?: boolean | undefined;
  /** It has a timeout of its own, which is kept. */
  readonly timeoutGiven?: boolean | undefined;
  /** A person is asked before it is carried out. */
  readonly approval?: boolean | undefined;
  /** Its requests leave the model to "auto". */
  readonly usesModel?: boolean | undefined;
  /** What it returns is checked, by a schema or a verifier, before it counts. */
  readonly verified?: boolean | undefined;
}

/** A model that could do a step, and what past runs tell of it there. */
export interface ModelCandidate {
  readonly provider: string;
  readonly model: string;
  /** The one that is asked if nothing is decided. One of a step's candidates. */
  readonly isDefault?: boolean | undefined;
  /** Mean US dollars of a try; null where a price is unknown. */
  readonly costUsd: number | null;
  /** Mean run time of a try in milliseconds. */
  readonly meanMs: number;
  /** Share of its answers that were good, 0 to 1, and of how many. */
  readonly quality: number;
  readonly samples: number;
}

/** How a past run of the same goal went, as far as decisions are concerned. */
export interface OptimizedOutcome {
  readonly level: OptimizeLevel;
  /** Predicted milliseconds of the run without what the level adds. */
  readonly predictedBeforeMs: number;
  readonly realisedMs: number;
}

export interface OptimizeOptions {
  /** Default "basic". */
  readonly level?: OptimizeLevel | undefined;
  /** Tasks that can run at once. Default 10. */
  readonly slots?: number | undefined;
  /** Milliseconds that handing out one task takes. Default 5. */
  readonly overheadMs?: number | undefined;
  /** Of the random numbers. The same seed, graph and estimates give the same answer. Default 1. */
  readonly seed?: number | undefined;
  /** What is known of a step. Default: nothing, so that nothing is merged, hedged or routed. */
  readonly stepInfo?: ((step: string) => StepFacts | undefined) | undefined;
  /** The models that may do a step. Default: none, so that no model is chosen. */
  readonly models?: ((step: string) => readonly ModelCandidate[]) | undefined;
  /** The least share of good answers of a model that is chosen. Default 0.9. */
  readonly qualityFloor?: number | undefined;
  /** Elements that a map task is expected to have. Default 8. */
  readonly mapWidth?: ((taskId: string) => number | undefined) | undefined;
  /**
   * Whether whoever carries the graph out gives the output of a task under the ids of those that were merged into it,
   * too. Default true; see {@link OptimizedGraph.mergedInto}.
   */
  readonly merge?: boolean | undefined;
  /** Share by which the predicted duration has to fall before a change of order is adopted. Default 0.01. */
  readonly margin?: number | undefined;
  /** How past runs of the goal went, the latest last: after three regressions in a row "aggressive" is "advanced". */
  readonly past?: readonly OptimizedOutcome[] | undefined;
}
