/** What the model calls of one try used. */
export interface Spent {
  /** US dollars; null once a price is unknown. */
  costUsd: number | null;
  inputTokens: number;
  outputTokens: number;
  /** "provider/model" of the last answer. */
  model: string | undefined;
}

/** One try of a task, as the worker that carried it out saw it. */
export interface Tried {
  /** The step that did it. */
  readonly step: string;
  /** The task under the shape of its graph; undefined where that has none. */
  readonly task: string | undefined;
  readonly runId: string;
  readonly position: number;
  readonly item: number;
  /** How often it had failed before. */
  readonly failures: number;
  /** Whether it ran from its beginning to its end in one piece. */
  readonly whole: boolean;
  readonly outcome: "completed" | "retry" | "failed";
  /** Of the error, if it failed. */
  readonly code: string | undefined;
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
  readonly runMs: number;
  readonly spent: Spent | undefined;
  /** What it was given. */
  readonly inputs: unknown;
}
