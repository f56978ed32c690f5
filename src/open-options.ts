import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { EmbedOptions } from "./core/embed-options.ts";
import { GoalpostError } from "./core/errors.ts";
import { DEFAULT_QUEUE } from "./core/lanes.ts";
import type { LlmOptions } from "./core/llm-options.ts";
import type { Logger } from "./core/logger.ts";
import { check } from "./core/policy.ts";
import { checkEmbedOptions } from "./embed/check-options.ts";
import { systemClock } from "./engine/system-clock.ts";
import { defaultInstanceId } from "./environment.ts";
import { type HubLink, readHubLink } from "./fleet-client.ts";
import type { Learning } from "./learning.ts";
import type { Database } from "./store/open-driver.ts";
import { stderrLogger } from "./telemetry/stderr-logger.ts";
import { checkServing, DEFAULT_CONCURRENCY } from "./workers.ts";

/** How a client is opened. */
export interface OpenOptions {
  /**
   * `postgres://…`, `pglite:DIR`, `memory:`, a pg pool or a PGlite database (which the caller closes).
   * Default: GOALPOST_DATABASE_URL, DATABASE_URL, then `pglite:.goalpost/db`.
   */
  readonly database?: Database | undefined;
  /** What this process is called in lists. Default: INSTANCE_ID, then host and pid. */
  readonly instanceId?: string | undefined;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | undefined;
  /** The local worker; false for none: runs are started, listed and cancelled, but nothing is carried out. */
  readonly workers?: WorkersOptions | false | undefined;
  /** How models are called. Default: by the keys in the environment. */
  readonly llm?: LlmOptions | undefined;
  /** How texts are embedded. Default: by the keys in the environment, else "hash". */
  readonly embed?: EmbedOptions | undefined;
  /** Whether what the workers see is kept as statistics, for `gp.learning` and for planning. Default true. */
  readonly learning?: boolean | undefined;
  /**
   * The database of the hub through which this one learns with others (see {@link Hub}), or where it is and how often it
   * is spoken to. It need not be there: nothing but that waits for it. Default: none.
   */
  readonly hub?: Database | HubLink | undefined;
  /** For tests. Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

export interface WorkersOptions {
  /** Tasks carried out at once. Default 10. */
  readonly concurrency?: number | undefined;
  /**
   * The queues whose distributed runs it takes part in, once it has code for them (`gp.register`, or a distributed run
   * that it started itself). Default: ["default"].
   */
  readonly queues?: readonly string[] | undefined;
  /** What steps may require that it has, such as "gpu". Default: nothing. */
  readonly capabilities?: readonly string[] | undefined;
  /** Bytes of JSON that one output may have. Default 16 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** False: tasks are only carried out by `gp.tick()`. Default true. */
  readonly start?: boolean | undefined;
}

const MAX_INSTANCE_ID_LENGTH = 200;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** What the process is called. @throws INVALID_INPUT if it cannot be shown in lists */
function checkInstanceId(instanceId: unknown = defaultInstanceId()): string {
  const fits =
    typeof instanceId === "string" &&
    instanceId.trim() !== "" &&
    instanceId.length <= MAX_INSTANCE_ID_LENGTH &&
    !/[\p{Cc}\p{Cs}]/u.test(instanceId);
  if (!fits) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `instanceId (INSTANCE_ID) must be a text of 1 to ${MAX_INSTANCE_ID_LENGTH} characters without control characters`,
    );
  }
  return instanceId;
}

/** What a client is made of, once it is open. */
export interface ClientParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly name: string;
  readonly concurrency: number;
  readonly queues: readonly string[];
  readonly capabilities: readonly string[];
  readonly maxOutputBytes: number;
  readonly llm: LlmOptions;
  readonly embed: EmbedOptions;
  readonly learns: boolean;
  readonly learning: Learning;
  readonly hub: HubLink | undefined;
  /** Whether the local worker runs by itself. */
  readonly starts: boolean;
}

/** What a client is made of, but for its database. @throws INVALID_INPUT for options out of range */
export function readOptions(options: OpenOptions): Omit<ClientParts, "driver" | "learning"> {
  const workers: WorkersOptions =
    options.workers === false ? { concurrency: 0, queues: [], start: false } : (options.workers ?? {});
  checkServing(workers, "workers");
  if (options.learning !== undefined && typeof options.learning !== "boolean") {
    throw new GoalpostError(
      "INVALID_INPUT",
      `learning is ${String(options.learning)}; it must be true or false`,
    );
  }
  checkEmbedOptions(options.embed);
  check(workers.concurrency, { what: "workers.concurrency", least: 0, whole: true });
  check(workers.maxOutputBytes, { what: "workers.maxOutputBytes", least: 1, whole: true });
  return {
    logger: options.logger ?? stderrLogger,
    clock: options.clock ?? systemClock,
    name: checkInstanceId(options.instanceId),
    concurrency: workers.concurrency ?? DEFAULT_CONCURRENCY,
    queues: workers.queues ?? [DEFAULT_QUEUE],
    capabilities: workers.capabilities ?? [],
    maxOutputBytes: workers.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES,
    llm: options.llm ?? {},
    embed: options.embed ?? {},
    learns: options.learning ?? true,
    hub: readHubLink(options.hub),
    starts: workers.start !== false,
  };
}
