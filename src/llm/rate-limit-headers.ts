import type { RateLimitState } from "../core/model.ts";

/** Milliseconds after which a provider asks to be called again; null if it does not say, or makes no sense. */
export function retryAfterOf(headers: Headers | null): number | null {
  if (!headers) {
    return null;
  }
  const ms = numberOf(headers.get("retry-after-ms"));
  if (ms !== null) {
    return Math.ceil(ms);
  }
  const value = headers.get("retry-after");
  if (value === null) {
    return null;
  }
  const seconds = numberOf(value);
  if (seconds !== null) {
    return Math.ceil(seconds * 1000);
  }
  return untilDate(value, headers);
}

/** What a provider says is left of its limits. */
export function limitsOf(headers: Headers | null): RateLimitState | null {
  if (!headers) {
    return null;
  }
  const requests = bucketOf(headers, ["requests"]);
  const tokens = bucketOf(headers, ["tokens", "input-tokens"]);
  if (requests.left === null && tokens.left === null) {
    return null;
  }
  const smaller =
    tokens.left === null || (requests.left !== null && requests.left <= tokens.left) ? requests : tokens;
  return {
    ...(requests.left === null ? {} : { remainingRequests: requests.left }),
    ...(tokens.left === null ? {} : { remainingTokens: tokens.left }),
    ...(smaller.resetMs === null ? {} : { resetMs: smaller.resetMs }),
  };
}

/** When the limits that are used up are there again: of use where a 429 comes without Retry-After. */
export function resetOf(headers: Headers | null): number | null {
  if (!headers) {
    return null;
  }
  const empty = ["requests", "tokens", "input-tokens", "output-tokens"]
    .map((name) => bucketOf(headers, [name]))
    .flatMap(({ left, resetMs }) => (left === 0 && resetMs !== null ? [resetMs] : []));
  return empty.length === 0 ? null : Math.max(...empty);
}

interface Bucket {
  readonly left: number | null;
  readonly resetMs: number | null;
}

function bucketOf(headers: Headers, names: readonly string[]): Bucket {
  for (const name of names) {
    const left =
      numberOf(headers.get(`x-ratelimit-remaining-${name}`)) ??
      numberOf(headers.get(`anthropic-ratelimit-${name}-remaining`));
    if (left !== null) {
      const reset =
        headers.get(`x-ratelimit-reset-${name}`) ?? headers.get(`anthropic-ratelimit-${name}-reset`);
      return { left, resetMs: reset === null ? null : (durationOf(reset) ?? untilDate(reset, headers)) };
    }
  }
  return { left: null, resetMs: null };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "6m0s", "120ms", or plain seconds. */
function durationOf(text: string): number | null {
  const seconds = numberOf(text);
  if (seconds !== null) {
    return Math.ceil(seconds * 1000);
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text.trim()) {
    return null;
  }
  return Math.ceil(
    parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ""] ?? 0), 0),
  );
}

/** By the server's own clock where it sends one: ours may be wrong. */
function untilDate(text: string, headers: Headers): number | null {
  const then = Date.parse(text);
  const sent = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(then) ? null : Math.max(0, then - (Number.isNaN(sent) ? Date.now() : sent));
}

function numberOf(text: string | null): number | null {
  return text !== null && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}
