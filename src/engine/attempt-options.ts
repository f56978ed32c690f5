import type { Clock } from "../core/clock.ts";
import type { Json } from "../core/json.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import type { TaskProgress } from "../core/progress.ts";
import type { Cancellation } from "./cancellation.ts";
import type { ChildRuns } from "./children.ts";
import type { TaskCall, TaskCode } from "./code.ts";
import type { DefinitionNode, RunDefinition } from "./definitions.ts";
import type { Growth } from "./growth.ts";
import type { ClaimedTask, RunInfo } from "./protocol.ts";

/** What one try of a task is carried out with. */
export interface AttemptOptions {
  readonly task: ClaimedTask;
  readonly run: RunInfo;
  readonly node: DefinitionNode;
  /** Whose node it is. */
  readonly definition?: Pick<RunDefinition, "hash"> | undefined;
  readonly inputs: Readonly<Record<string, Json>>;
  readonly code: TaskCode;
  /** Aborted by the worker (cancellation, its own end), and here when the time is up. */
  readonly abort: Cancellation;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxOutputBytes: number;
  readonly children: ChildRuns;
  readonly send: TaskCall["send"];
  readonly agents?: TaskCall["agents"] | undefined;
  readonly storeProgress: (progress: TaskProgress) => Promise<void>;
  readonly models: ModelCalls;
  /** Notes what a model's answer has used; set by who observes the try. */
  spend?: TaskCall["spend"] | undefined;
  readonly growth: () => Growth;
  /** Takes a free slot for a second copy; returns what gives it back, or undefined if none is free. */
  readonly takeSlot?: (() => (() => void) | undefined) | undefined;
  /** Set if the first copy failed and the second did not: what the try took tells nothing. */
  rescued?: boolean | undefined;
  /** Stores a checkpoint; resolves to a status if the task is no longer held. */
  readonly mark: (key: string, value: string) => Promise<string | null>;
  /** Notes that the function begins. */
  readonly started: () => void;
}
