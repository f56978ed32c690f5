import { isObject } from "../core/json.ts";

/** What an error says of itself, whichever SDK or server made it. */
export interface ErrorFacts {
  readonly status: number | null;
  /** Codes, types and names of states, in lower case. */
  readonly codes: ReadonlySet<string>;
  /** The provider's words; empty if it gave none. SDKs' own words may quote the answer and are not taken. */
  readonly reason: string;
  /** The parameter that the provider complains about. */
  readonly param: string | null;
  readonly headers: Headers | null;
  readonly requestId: string | null;
  /** Of Gemini: how long to wait, in milliseconds. */
  readonly retryDelayMs: number | null;
}

/**
 * Reads an error that an SDK threw. By its shape, never by its class: two copies of an SDK have two classes, and
 * OpenAI's errors are all called "Error".
 */
export function factsOf(error: unknown): ErrorFacts {
  if (!isObject(error) && !(error instanceof Error)) {
    return factsOfBody(undefined, null);
  }
  const outer = error as Readonly<Record<string, unknown>>;
  const status = typeof outer.status === "number" ? outer.status : null;
  const body = isObject(outer.error) ? outer.error : bodyInMessage(outer.message, status);
  const facts = factsOfBody(body, status);
  const codes = new Set([...facts.codes, ...codesIn(outer, ["code", "type", "errorCode"])]);
  return {
    ...facts,
    codes,
    headers: outer.headers instanceof Headers ? outer.headers : null,
    requestId: firstText(outer.requestID, facts.requestId),
  };
}

/** Reads the body of an error answer: `{ error: { … } }`, its inside, or a text. */
export function factsOfBody(body: unknown, status: number | null): ErrorFacts {
  const outer = isObject(body) ? body : {};
  const inner = isObject(outer.error) ? outer.error : outer;
  const nested = isObject(inner.details)
    ? [inner.details]
    : Array.isArray(inner.details)
      ? inner.details
      : [];
  const details = nested.filter(isObject);
  const code = typeof inner.code === "number" && inner.code >= 400 && inner.code < 600 ? inner.code : null;
  return {
    status: status ?? code,
    codes: new Set([
      ...codesIn(inner, ["code", "type", "status"]),
      ...details.flatMap((detail) => codesIn(detail, ["error_code", "reason"])),
      ...details.flatMap(quotaCodes),
    ]),
    reason: firstText(inner.message, outer.error, outer.message, outer.detail, body) ?? "",
    param: firstText(inner.param),
    headers: null,
    requestId: firstText(outer.request_id),
    retryDelayMs: details.map((detail) => secondsToMs(detail.retryDelay)).find((ms) => ms !== null) ?? null,
  };
}

/** Gemini's SDK puts the whole body into the message, after a few words if it came in a stream. */
function bodyInMessage(message: unknown, status: number | null): unknown {
  if (typeof message !== "string" || status === null) {
    return undefined;
  }
  const start = message.indexOf("{");
  if (start >= 0) {
    try {
      return JSON.parse(message.slice(start));
    } catch {
      // Not a body, then.
    }
  }
  // Of OpenAI and Anthropic: "502 <html>…", the text of an answer that was no JSON.
  return message.replace(/^\d{3} /, "");
}

function codesIn(object: Readonly<Record<string, unknown>>, keys: readonly string[]): string[] {
  return keys.flatMap((key) => {
    const value = object[key];
    return typeof value === "string" && value !== "" ? [value.toLowerCase()] : [];
  });
}

/** Gemini tells a quota of the day only in the name of the limit. */
function quotaCodes(detail: Readonly<Record<string, unknown>>): string[] {
  const violations = Array.isArray(detail.violations) ? detail.violations : [];
  return violations.some((one) => isObject(one) && /PerDay/.test(String(one.quotaId)))
    ? ["quota_per_day"]
    : [];
}

function firstText(...values: unknown[]): string | null {
  return values.find((value): value is string => typeof value === "string" && value !== "") ?? null;
}

/** "7s" and "0.5s" as milliseconds. */
function secondsToMs(value: unknown): number | null {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)s$/.exec(value) : null;
  return match ? Math.ceil(Number(match[1]) * 1000) : null;
}
