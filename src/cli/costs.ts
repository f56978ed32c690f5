import type { UsageKey, UsageRow } from "../index.ts";
import { formatTable } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface CostsOptions {
  readonly by: UsageKey;
  /** Milliseconds back from now. */
  readonly since?: number;
  readonly database?: string;
  readonly json?: boolean;
}

const DECIMALS = 4;

/** `goalpost costs`: what LLM and embedding calls used and cost; returns the exit code. */
export async function showCosts(options: CostsOptions): Promise<number> {
  const { by } = options;
  const since = options.since === undefined ? undefined : new Date(Date.now() - options.since);
  const [rows, [total]] = await withDatabase(options.database, (gp) =>
    Promise.all([gp.usage.summary({ since, groupBy: [by] }), gp.usage.summary({ since })]),
  );
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ by, since: since ?? null, rows, total }, null, 2)}\n`);
    return EXIT.done;
  }
  if (!total || rows.length === 0) {
    process.stdout.write("No calls yet.\n");
    return EXIT.done;
  }
  const header = [by.toUpperCase(), "CALLS", "INPUT", "CACHED", "OUTPUT", "COST"];
  const lines = rows.map((row) => toLine(row[by] ?? "-", row));
  process.stdout.write(`${formatTable([header, ...lines, toLine("in all", total)])}\n`);
  if (by === "label") {
    process.stdout.write("A call with several labels is in the row of each.\n");
  }
  return EXIT.done;
}

function toLine(name: string, row: UsageRow): string[] {
  return [
    name,
    ...[row.calls, row.inputTokens, row.cacheReadTokens, row.outputTokens].map(String),
    costOf(row),
  ];
}

/** "≈": part of it is an estimate. */
function costOf({ costUsd, estimated }: UsageRow): string {
  return costUsd === null ? "unknown" : `${estimated ? "≈ " : ""}$${costUsd.toFixed(DECIMALS)}`;
}
