import type { Logger } from "../index.ts";
import { formatDuration } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { describeDatabase, openWithApp } from "./session.ts";
import { waitForStop } from "./wait-for-stop.ts";

export interface WorkerCommandOptions {
  readonly app?: string;
  readonly database?: string;
  readonly queue?: readonly string[];
  readonly capability?: readonly string[];
  readonly concurrency?: number;
  /** Milliseconds. */
  readonly grace?: number;
}

const DEFAULT_GRACE_MS = 30_000;

/** `goalpost worker`: carries out distributed runs until it is told to stop, and ends the process. */
export async function runWorker(options: WorkerCommandOptions): Promise<never> {
  const code = await serve(options);
  // A step that ignores its signal would keep the process alive.
  process.exit(code);
}

async function serve(options: WorkerCommandOptions): Promise<number> {
  const stop = waitForStop();
  await using gp = await openWithApp(options, { workers: false, logger: workerLogger });
  const worker = gp.worker({
    queues: options.queue,
    capabilities: options.capability,
    concurrency: options.concurrency,
  });
  await worker.start();
  const queues = (options.queue ?? ["default"]).join(", ");
  say(`worker ${worker.id} serves ${queues} in ${describeDatabase(options.database)}`);
  const signal = await stop;
  const graceMs = options.grace ?? DEFAULT_GRACE_MS;
  say(
    `${signal}: taking no more; what is under way has ${formatDuration(graceMs)} to end (again to stop at once)`,
  );
  await worker.stop({ graceMs });
  say("stopped");
  return EXIT.done;
}

function say(sentence: string): void {
  process.stderr.write(`goalpost: ${sentence}\n`);
}

const log = (fields: Readonly<Record<string, unknown>>, message: string): void =>
  say(`${message} ${JSON.stringify(fields)}`);
const workerLogger: Logger = { debug: () => undefined, info: () => undefined, warn: log, error: log };
