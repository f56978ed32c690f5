const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** What a duration looks like, in words for messages. */
export const DURATION_RULE = "a number with its unit (ms, s, m, h, d, w), such as 30d or 12h";

/** Milliseconds of a duration like 30d; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit];
  return factor === undefined ? undefined : Number(count) * factor;
}
