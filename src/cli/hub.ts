import { Hub, type HubStatus, type Logger } from "../index.ts";
import { formatTable } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { describeDatabase } from "./session.ts";
import { waitForStop } from "./wait-for-stop.ts";

export interface HubCommandOptions {
  readonly database?: string;
  /** Milliseconds. */
  readonly interval?: number;
  readonly status?: boolean;
  readonly json?: boolean;
}

/** `goalpost hub`: lets databases learn from each other until it is told to stop; returns the exit code. */
export async function runHub(options: HubCommandOptions): Promise<number> {
  const { database, interval: intervalMs } = options;
  if (options.status) {
    await using hub = await Hub.open({ database, logger: hubLogger, start: false });
    return show(await hub.status(), options.json === true);
  }
  const stop = waitForStop();
  await using hub = await Hub.open({ database, intervalMs, logger: hubLogger });
  say(`hub ${(await hub.status()).id ?? "(new)"} works in ${describeDatabase(database)}`);
  say(`${await stop}: ending this turn`);
  return EXIT.done;
}

function show(status: HubStatus, json: boolean): number {
  if (json) {
    process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
    return EXIT.done;
  }
  process.stdout.write(`hub ${status.id ?? "(has not worked yet)"}, version ${status.version}\n`);
  const sources = status.sources.map(({ source, seq, kinds, heardAt }) => [
    source,
    String(seq),
    String(kinds),
    heardAt.toISOString(),
  ]);
  process.stdout.write(`${formatTable([["DATABASE", "PUBLICATIONS", "KINDS", "HEARD OF"], ...sources])}\n`);
  for (const { sender, reason, count } of status.ignored) {
    process.stdout.write(`ignored ${count} of ${sender}: ${reason}\n`);
  }
  return EXIT.done;
}

function say(sentence: string): void {
  process.stderr.write(`goalpost: ${sentence}\n`);
}

const log = (fields: Readonly<Record<string, unknown>>, message: string): void =>
  say(`${message} ${JSON.stringify(fields)}`);
const hubLogger: Logger = { debug: () => undefined, info: () => undefined, warn: log, error: log };
