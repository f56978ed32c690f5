import type { Queryable } from "../core/driver.ts";
import { type ErrorCode, GoalpostError } from "../core/errors.ts";
import { read } from "./repeat.ts";
import { isUuid, RUN_COLUMNS, type RunRow, type RunStatus, type RunSummary, toSummary } from "./runs.ts";

/** In which order runs are listed. Equal times are in the order of the ids. */
export type RunOrder = "createdAt desc" | "createdAt asc" | "finishedAt desc" | "finishedAt asc";

/** Which runs are listed, and how many. */
export interface RunFilter {
  /** One state, or several. */
  readonly status?: RunStatus | readonly RunStatus[] | undefined;
  readonly workflow?: string | undefined;
  /** Labels that a run must have, `{ customer: "acme" }`; or "customer" (with any value), or "customer=acme". */
  readonly label?: string | Readonly<Record<string, string>> | undefined;
  /** The code of the error that a run ended with: POISON lists what was killing its workers. */
  readonly errorCode?: ErrorCode | undefined;
  /** Default "createdAt desc". By finishedAt only finished runs are listed. */
  readonly orderBy?: RunOrder | undefined;
  /** The id of the last run of the page before: the next page is the same whatever has started meanwhile. */
  readonly after?: string | undefined;
  /** At most this many. Default 50. */
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
}

/** The statement for each order. By createdAt an index gives the order; by finishedAt every run is looked at. */
export const LIST_RUNS: Readonly<Record<RunOrder, string>> = {
  "createdAt desc": listStatement("created_at", "<", "desc"),
  "createdAt asc": listStatement("created_at", ">", "asc"),
  "finishedAt desc": listStatement("finished_at", "<", "desc"),
  "finishedAt asc": listStatement("finished_at", ">", "asc"),
};

export const RUN_ORDERS: readonly string[] = Object.keys(LIST_RUNS);

// The page is chosen first: what is wide is read of its runs only. The code of an error is read off the text: decoding
// the json would stumble over strings with \u0000.
function listStatement(column: string, beyond: string, direction: string): string {
  return `select ${RUN_COLUMNS} from (
    select p.id from goalpost.runs p
    where p.${column} is not null
      and ($1::text[] is null or p.status = any($1)) and ($2::text is null or p.workflow = $2)
      and ($3::jsonb is null or p.labels @> $3) and ($4::text is null or p.labels ? $4)
      and ($5::text is null or p.error::text ~ $5)
      and ($6::uuid is null or (p.${column}, p.id) ${beyond} ($7::timestamptz, $6::uuid))
    order by p.${column} ${direction}, p.id ${direction} limit $8::int offset $9::int) page
  cross join lateral (select * from goalpost.runs where id = page.id offset 0) r
  order by r.${column} ${direction}, r.id ${direction}`;
}

/** Runs in the order asked for. @throws RUN_NOT_FOUND if there is no run `after`, INVALID_INPUT if it has no place */
export async function listRuns(db: Queryable, filter: RunFilter): Promise<RunSummary[]> {
  const order = filter.orderBy ?? "createdAt desc";
  const [labels, label] = toLabels(filter.label);
  const rows = await read<RunRow>(db, LIST_RUNS[order], [
    filter.status === undefined ? null : [filter.status].flat(),
    filter.workflow ?? null,
    labels && JSON.stringify(labels),
    label,
    filter.errorCode === undefined ? null : `^\\s*\\{\\s*"code"\\s*:\\s*"${filter.errorCode}"`,
    filter.after ?? null,
    filter.after === undefined ? null : await placeOf(db, filter.after, order),
    filter.limit ?? 50,
    filter.offset ?? 0,
  ]);
  return rows.map(toSummary);
}

/** The labels that must be there with their values, and the one that must be there with any. */
function toLabels(label: RunFilter["label"]): [Readonly<Record<string, string>> | null, string | null] {
  if (typeof label !== "string") {
    return [label ?? null, null];
  }
  const at = label.indexOf("=");
  return at < 0 ? [null, label] : [{ [label.slice(0, at)]: label.slice(at + 1) }, null];
}

const PLACE = `select created_at::text as "createdAt", finished_at::text as "finishedAt" from goalpost.runs
  where id = $1::uuid`;

/** As text: a Date has no microseconds, and runs between would be listed twice. */
async function placeOf(db: Queryable, id: string, order: RunOrder): Promise<string> {
  type Place = { createdAt: string; finishedAt: string | null };
  const [row] = isUuid(id) ? await read<Place>(db, PLACE, [id]) : [];
  if (!row) {
    throw new GoalpostError(
      "RUN_NOT_FOUND",
      `there is no run "${id}" in this database to list runs after; begin again without \`after\``,
    );
  }
  const place = order.startsWith("createdAt") ? row.createdAt : row.finishedAt;
  if (place === null) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `run ${id} has not ended, so nothing comes after it in the order "${order}"`,
    );
  }
  return place;
}
