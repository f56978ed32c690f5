import { isObject } from "../core/json.ts";
import { ModelError, type ModelErrorKind } from "../core/model.ts";
import { type ErrorFacts, factsOf, factsOfBody } from "./error-facts.ts";
import { resetOf, retryAfterOf } from "./rate-limit-headers.ts";

/** What is known of a call that failed, besides the error. */
export interface FailedCall {
  readonly provider: string;
  readonly model: string;
  /** The caller's own signal ended it. */
  readonly aborted: boolean;
  /** Our own timer ended it. */
  readonly timedOut: boolean;
  readonly timeoutMs: number;
  /** An answer had begun to arrive, with a status that promised one. */
  readonly begun: boolean;
  /** Of the answer, where the SDK's errors do not tell them. */
  readonly headers: Headers | null;
  /** Never shown. */
  readonly secrets: readonly string[];
}

/**
 * One form for all that can go wrong with a call. Who ended it is decided by our own signal and timer: SDKs report
 * aborts and timeouts alike, and some end a stream without a word.
 */
export function toModelError(error: unknown, call: FailedCall): ModelError {
  if (call.aborted) {
    return new ModelError("aborted", `the call of ${nameOf(call)} was aborted`, { mayBeBilled: true });
  }
  if (call.timedOut) {
    const message = `${nameOf(call)} gave no complete answer within ${call.timeoutMs} ms`;
    return new ModelError("timeout", message, { mayBeBilled: true });
  }
  if (error instanceof ModelError) {
    return error;
  }
  const facts = factsOf(error);
  const said = facts.status !== null || kindByCodes(facts.codes) !== undefined;
  return said ? fromFacts(facts, call) : fromTransport(error, call);
}

/** The same for an answer that is an error in spite of its status, or an event of a stream that is one. */
export function fromErrorBody(body: unknown, call: FailedCall): ModelError {
  return fromFacts(factsOfBody(body, null), call);
}

/** An answer that makes no sense. @param what what is wrong with it, without its text */
export function malformed(what: string, call: FailedCall): ModelError {
  return new ModelError("malformed", `${nameOf(call)} ${what}`, {
    mayBeBilled: true,
    requestId: requestIdOf(call.headers),
  });
}

/** A stream that ended before the answer did. */
export function cutShort(call: FailedCall): ModelError {
  return new ModelError("network", `the answer of ${nameOf(call)} ended before it was complete`, {
    mayBeBilled: true,
    requestId: requestIdOf(call.headers),
  });
}

/** Whether the server does not know the path; not: it does not know the model. */
export function isUnknownPath(error: unknown): boolean {
  const found = error instanceof ModelError ? /\(status 40[45]\)(?:: (.*))?$/s.exec(error.message) : null;
  return found !== null && !/\bmodel/i.test(found[1] ?? "");
}

/** The provider's id of an HTTP request. */
export function requestIdOf(headers: Headers | null): string | null {
  return (
    headers?.get("x-request-id") ?? headers?.get("request-id") ?? headers?.get("x-goog-request-id") ?? null
  );
}

function nameOf({ provider, model }: FailedCall): string {
  return `${provider}, model "${model}",`;
}

const SAYS: Readonly<Record<ModelErrorKind, string>> = {
  rate_limited: "asks to be called less often",
  overloaded: "is overloaded",
  server: "failed",
  network: "could not be reached",
  timeout: "ran out of time",
  malformed: "answered with what makes no sense",
  not_found: "does not know what was asked for; check the model's name and the base URL",
  too_long: "says the request is too long",
  refused: "refused the request",
  auth: "did not accept the API key; check that it is right and may use this model",
  quota: "says that the account has no quota or credit left",
  bad_request: "says the request is not valid",
  aborted: "was aborted",
};

/** Without a cause: the messages of SDKs hold whole bodies. */
function fromFacts(facts: ErrorFacts, call: FailedCall): ModelError {
  const kind = kindOf(facts);
  const headers = facts.headers ?? call.headers;
  const status = facts.status === null ? "" : ` (status ${facts.status})`;
  const reason = shown(facts.reason, call.secrets);
  const waits = kind === "rate_limited" || kind === "overloaded" || kind === "server" || kind === "timeout";
  const retryAfterMs =
    retryAfterOf(headers) ?? facts.retryDelayMs ?? (kind === "rate_limited" ? resetOf(headers) : null);
  return new ModelError(kind, `${nameOf(call)} ${SAYS[kind]}${status}${reason === "" ? "" : `: ${reason}`}`, {
    status: facts.status,
    retryAfterMs: waits ? retryAfterMs : null,
    requestId: facts.requestId ?? requestIdOf(headers),
    mayBeBilled: call.begun || kind === "server" || kind === "timeout" || kind === "malformed",
  });
}

/** Kinds by what providers call them. */
const BY_CODE: Readonly<Record<string, ModelErrorKind>> = {
  insufficient_quota: "quota",
  billing_hard_limit_reached: "quota",
  billing_not_active: "quota",
  billing_error: "quota",
  quota_per_day: "quota",
  context_length_exceeded: "too_long",
  string_above_max_length: "too_long",
  request_too_large: "too_long",
  content_policy_violation: "refused",
  content_filter: "refused",
  responsibleaipolicyviolation: "refused",
  invalid_prompt: "refused",
  api_key_invalid: "auth",
  invalid_api_key: "auth",
  authentication_error: "auth",
  unauthenticated: "auth",
  permission_error: "auth",
  permission_denied: "auth",
  model_not_found: "not_found",
  not_found_error: "not_found",
  not_found: "not_found",
  rate_limit_exceeded: "rate_limited",
  rate_limit_error: "rate_limited",
  resource_exhausted: "rate_limited",
  overloaded_error: "overloaded",
  engine_overloaded: "overloaded",
  server_is_overloaded: "overloaded",
  slow_down: "overloaded",
  unavailable: "overloaded",
  api_error: "server",
  server_error: "server",
  internal_error: "server",
  internal: "server",
  timeout_error: "server",
  deadline_exceeded: "server",
  invalid_request_error: "bad_request",
  invalid_argument: "bad_request",
  failed_precondition: "bad_request",
};

/** The most telling one first: an error often has a narrow code and a broad type. */
const ORDER: readonly ModelErrorKind[] = [
  "quota",
  "too_long",
  "refused",
  "auth",
  "not_found",
  "rate_limited",
  "overloaded",
  "server",
  "bad_request",
];

function kindByCodes(codes: ReadonlySet<string>): ModelErrorKind | undefined {
  const kinds = new Set<ModelErrorKind | undefined>();
  for (const code of codes) {
    kinds.add(/_spend_limit_reached$/.test(code) ? "quota" : BY_CODE[code]);
  }
  return ORDER.find((kind) => kinds.has(kind));
}

const TOO_LONG =
  /context (length|window)|prompt is too long|maximum context|too many (input )?tokens|exceeds? the (maximum|model'?s max)[^.]*tokens/i;
const UNKNOWN_MODEL =
  /model\b.*\b(not found|does not exist|not exist|is not a valid)|not a valid model|invalid model/i;

/** The status first, where it is narrow; the codes and words of the provider where it is broad. */
function kindOf({ status, codes, reason }: ErrorFacts): ModelErrorKind {
  const named = kindByCodes(codes);
  switch (status) {
    case null:
      return named ?? "server";
    case 400:
    case 422:
      return kindOfBadRequest(named, reason);
    case 401:
      return "auth";
    case 402:
      return "quota";
    case 403:
      return named === "quota" || named === "not_found" || named === "refused" ? named : "auth";
    case 404:
      return "not_found";
    case 408:
      return "timeout";
    case 409:
    case 425:
      return "server";
    case 413:
      return "too_long";
    case 429:
      return named === "quota" || named === "overloaded" ? named : "rate_limited";
    case 503:
    case 529:
      return named === "quota" ? named : "overloaded";
    case 501:
      return "bad_request";
    default:
      return status >= 500 ? (named === "overloaded" ? named : "server") : kindOfOther(status, named);
  }
}

/** Also of errors that came with status 200, and say a code of their own. */
function kindOfOther(status: number, named: ModelErrorKind | undefined): ModelErrorKind {
  return status < 400 ? (named ?? "server") : named === "quota" ? named : "bad_request";
}

function kindOfBadRequest(named: ModelErrorKind | undefined, reason: string): ModelErrorKind {
  if (named && named !== "bad_request" && named !== "server") {
    return named;
  }
  if (TOO_LONG.test(reason)) {
    return "too_long";
  }
  if (UNKNOWN_MODEL.test(reason)) {
    return "not_found";
  }
  if (/api key not valid|invalid api key|incorrect api key/i.test(reason)) {
    return "auth";
  }
  return /credit balance is too low|insufficient (credit|balance|funds)/i.test(reason)
    ? "quota"
    : "bad_request";
}

/** Of sockets that were never open: nothing was asked, and nothing is billed. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

/** No word of the provider: a socket that broke, or an answer that no SDK could read. */
function fromTransport(error: unknown, call: FailedCall): ModelError {
  const requestId = requestIdOf(call.headers);
  const code = transportCode(error);
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" || isTimeout(error)) {
    const message = `${nameOf(call)} went silent, and the connection was given up${code ? ` (${code})` : ""}`;
    return new ModelError("timeout", message, { mayBeBilled: true, requestId });
  }
  if (code === null && (error instanceof SyntaxError || (call.begun && !isNetwork(error)))) {
    return new ModelError("malformed", `${nameOf(call)} answered with what is no JSON of an answer`, {
      mayBeBilled: true,
      requestId,
    });
  }
  const how = code ? ` (${code})` : "";
  const message = call.begun
    ? `the answer of ${nameOf(call)} was cut off${how}`
    : `${nameOf(call)} could not be reached${how}`;
  return new ModelError("network", message, {
    mayBeBilled: !(code !== null && NEVER_SENT.has(code)),
    requestId,
  });
}

/** The system's name of what went wrong, somewhere down the causes. */
function transportCode(error: unknown): string | null {
  let at = error;
  for (let depth = 0; depth < 5 && (isObject(at) || at instanceof Error); depth++) {
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) {
      return code;
    }
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return null;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && /^Request timed out/i.test(error.message);
}

function isNetwork(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if (
      /^(fetch failed|terminated|Connection error|Premature close|socket hang up)/i.test(at.message) ||
      at.name === "AbortError"
    ) {
      return true;
    }
    at = at.cause;
  }
  return false;
}

const MAX_REASON = 300;
const KEY_LIKE = /\b(?:sk|pk|rk|gsk|xai|key|AIza)[-_]?[A-Za-z0-9*_-]{8,}|\bBearer\s+\S+/g;

/** The provider's words, on one line, without keys, cut to a length that fits a log. */
function shown(reason: string, secrets: readonly string[]): string {
  if (/^\s*</.test(reason)) {
    return "an HTML page instead of an answer";
  }
  let text = reason.replace(/\s+/g, " ").trim();
  for (const secret of secrets) {
    text = secret.length >= 4 ? text.replaceAll(secret, "[key]") : text;
  }
  text = text.replace(KEY_LIKE, "[key]");
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON - 1)}…` : text;
}
