import type { AgentPort } from "../core/agent.ts";
import type { Clock } from "../core/clock.ts";
import type { Driver } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import type { ModelCalls } from "../core/model-calls.ts";
import type { TaskProgress } from "../core/progress.ts";
import type { Tried } from "../core/tried.ts";
import type { ChildRuns } from "./children.ts";
import type { FindCode } from "./code.ts";
import type { PresenceOptions } from "./presence.ts";
import type { ClaimedTask, FinishedRun, FleetView } from "./protocol.ts";

/** `id` is new for every worker: it fences what an earlier one left behind. */
export interface WorkerOptions extends PresenceOptions {
  readonly driver: Driver;
  /** Tasks carried out at once. 0: only hands in, takes nothing out. */
  readonly concurrency: number;
  readonly findCode: FindCode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxOutputBytes: number;
  /** What a beat told of the other instances. */
  readonly onFleet?: ((fleet: FleetView) => void) | undefined;
  /** A call was not answered: nothing was seen of the others. */
  readonly onUnanswered?: ((error: unknown) => void) | undefined;
  readonly children: ChildRuns;
  /** Sends a message to a channel; returns its id. */
  readonly send: (channel: string, message: unknown) => Promise<string>;
  /** Messages to agents. Default: there are none. */
  readonly agents?: AgentPort | undefined;
  /** Others may think that it is gone. */
  readonly onLapsed?: (() => void) | undefined;
  /** Stores how far a task is. */
  readonly storeProgress: (
    held: ClaimedTask & { readonly worker: string },
    progress: TaskProgress,
  ) => Promise<void>;
  readonly models: ModelCalls;
  /** Told of every try that ended. Default: nobody is. */
  readonly onTried?: ((tried: Tried) => void) | undefined;
  readonly onFinished: (run: FinishedRun & { readonly owned: boolean }) => void;
}
