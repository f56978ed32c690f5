import type { ModelRef } from "./llm.ts";
import type { ResolvedRouting } from "./routing-options.ts";

/** Tokens of one request. */
export interface TokenCounts {
  readonly input: number;
  readonly output: number;
}

/** A request whose model is to be chosen. */
export interface RouteQuestion {
  /** What the choice is kept under: asked again, it is the same. Null: the caller keeps it. */
  readonly requestId: string | null;
  /** What kind of work it is; models are told apart by how they do on it. */
  readonly kind: string;
  readonly runId: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  /** Those that may be chosen, in the order of the table. */
  readonly models: readonly ModelRef[];
  readonly options: ResolvedRouting;
  /** Whether nothing outside is changed by what the model does. */
  readonly effectFree: boolean;
  /** Whether nobody is kept waiting by a slower model. */
  readonly offCriticalPath: boolean;
  /** US dollars that a model would cost; null if its price is unknown. Without tokens: as the request looks. */
  readonly costUsd: (model: ModelRef, tokens: TokenCounts | undefined) => number | null;
}

/** A choice that was made by chance, and how: enough to weigh what comes of it. */
export interface Draw {
  readonly model: ModelRef;
  /** The probability with which it was chosen. */
  readonly propensity: number;
  /** Whether another looked better. */
  readonly explored: boolean;
}

/** Which models to ask. */
export interface Route {
  readonly kind: string;
  /** The chosen one first, then the others, the best first. */
  readonly models: readonly ModelRef[];
  readonly draw: Draw;
}

/** A choice that was made elsewhere, to be told with what comes of it. */
export interface KeptChoice {
  readonly kind: string;
  readonly propensity: number;
  readonly explored: boolean;
}

/** Where a request carries a choice that was made for it. No JSON can: only this library writes it. */
export const CHOICE: unique symbol = Symbol("goalpost.choice");

/** A request whose model was chosen before. */
export interface ChosenRequest {
  readonly [CHOICE]?: KeptChoice | undefined;
}

/** Models to ask, and the choice behind the first of them; null if it is the table's. */
export interface RoutedModels {
  readonly models: readonly ModelRef[];
  readonly choice: KeptChoice | null;
}

/** What tells how good an answer was, the strongest first. */
export type QualitySignal =
  | "user"
  | "verifier"
  | "schema"
  | "tools"
  | "refused"
  | "truncated"
  | "malformed"
  | "too_long";

/** What came of asking one model for one request. */
export interface RouteOutcome {
  readonly requestId: string;
  readonly kind: string;
  readonly runId: string | null;
  readonly model: ModelRef;
  /** Null unless it is the model that was drawn. */
  readonly draw: Omit<Draw, "model"> | null;
  readonly answered: boolean;
  /** 0 to 1; null where nothing tells. */
  readonly score: number | null;
  readonly signal: QualitySignal | null;
  /** What the verifier of a cascade said; null where none was asked. */
  readonly verdict: boolean | null;
  /** Whether the provider could be reached and served: no matter of quality. Null where nothing tells. */
  readonly available: boolean | null;
  /** Of all calls together; null if a price is unknown. */
  readonly costUsd: number | null;
  /** Of the calls that were answered, together; null if there were none. */
  readonly durationMs: number | null;
  readonly tokens: TokenCounts;
}

/** What learning tells of the first models of a cascade. */
export interface CascadeStart {
  /** The first one that is worth asking. */
  readonly from: number;
  /** Why those before it are not asked; null if all are. */
  readonly reason: string | null;
}

/** Chooses models by what came of asking them. */
export interface ModelRouting {
  choose(question: RouteQuestion): Promise<Route>;
  /** Where a cascade over the question's models, the weakest first, should begin. */
  startOfCascade(question: RouteQuestion): Promise<CascadeStart>;
  /** Takes note; nobody waits for it. */
  record(outcomes: readonly RouteOutcome[]): void;
}

/** The kind of requests of a step that name none. */
export function kindOfStep(step: string): string {
  return `step:${step}`;
}
