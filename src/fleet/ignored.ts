import type { Queryable } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";

/** Something that was sent and is not believed. */
export interface Ignored {
  /** The id of who sent it; "unknown" where it does not say. */
  readonly sender: string;
  readonly reason: string;
}

/** How often something was ignored, by sender and reason. */
export interface IgnoredCount extends Ignored {
  readonly count: number;
  readonly lastAt: Date;
}

const COUNT = `insert into goalpost.fleet_ignored as i (sender, reason, count, last_at)
  select sender, reason, count(*), goalpost.now()
  from json_to_recordset($1::json) as one (sender text, reason text)
  group by sender, reason order by sender, reason
  on conflict (sender, reason) do update set count = i.count + excluded.count, last_at = excluded.last_at`;

/** Counts and logs what was ignored: one line for each sender and reason. */
export async function noteIgnored(db: Queryable, ignored: readonly Ignored[], logger: Logger): Promise<void> {
  if (ignored.length === 0) {
    return;
  }
  await db.query(COUNT, [JSON.stringify(ignored)]);
  const lines = new Map(ignored.map((one) => [`${one.sender} ${one.reason}`, one]));
  for (const { sender, reason } of lines.values()) {
    const times = ignored.filter((one) => one.sender === sender && one.reason === reason).length;
    logger.warn({ sender, reason, times }, "something was sent that is not believed; it is ignored");
  }
}

const LIST = `select sender, reason, count::float8 as count, last_at as "lastAt" from goalpost.fleet_ignored
  order by count desc, sender, reason limit 100`;

export function listIgnored(db: Queryable): Promise<IgnoredCount[]> {
  return db.query<IgnoredCount & Record<string, unknown>>(LIST);
}
