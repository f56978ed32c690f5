/** Values looked at: more would cost more than knowing the size is worth. */
const MOST_VALUES = 64;
/** What is not looked at counts as this. */
const TYPICAL_BYTES = 16;

/**
 * log2 of the bytes that a value has as JSON, roughly: of large ones a part is looked at and the rest taken to be like it.
 */
export function sizeBucket(value: unknown): number {
  const left = { values: MOST_VALUES };
  return Math.floor(Math.log2(Math.max(1, bytesOf(value, left))));
}

function bytesOf(value: unknown, left: { values: number }): number {
  left.values -= 1;
  if (typeof value === "string") {
    return value.length + 2;
  }
  if (typeof value !== "object" || value === null) {
    return 5;
  }
  const keys = Array.isArray(value) ? undefined : Object.keys(value);
  const count = keys?.length ?? (value as unknown[]).length;
  let bytes = 2;
  let seen = 0;
  while (seen < count && left.values > 0) {
    const key = keys?.[seen];
    const inner = key === undefined ? (value as unknown[])[seen] : (value as Record<string, unknown>)[key];
    bytes += (key === undefined ? 1 : key.length + 4) + bytesOf(inner, left);
    seen += 1;
  }
  return seen === 0 ? bytes + count * TYPICAL_BYTES : (bytes * count) / seen;
}
