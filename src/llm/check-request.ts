import { checkFields } from "../core/budget.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { Budget, LlmRequest, LlmTool } from "../core/llm.ts";
import { check, checkOneOf } from "../core/policy.ts";
import { checkRouting } from "./routing-options.ts";

const ROLES = ["system", "user", "assistant", "tool"];
const MAX_MESSAGES = 10_000;
/** Characters of all messages together. */
const MAX_LENGTH = 16 * 1024 * 1024;
const MAX_OUTPUT_TOKENS = 1_000_000;
const MAX_TIME_MS = 24 * 3_600_000;
const MAX_NAME_LENGTH = 256;
const TOOL_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

/** @throws INVALID_INPUT that names the field */
export function checkRequest(request: LlmRequest): void {
  if (!isObject(request)) {
    throw wrong("the request", request, "an object with messages");
  }
  checkMessages(request.messages);
  for (const field of ["taskType", "model", "provider"] as const) {
    checkText(request[field], field);
  }
  check(request.maxOutputTokens, { what: "maxOutputTokens", least: 1, most: MAX_OUTPUT_TOKENS, whole: true });
  check(request.maxRepairs, { what: "maxRepairs", least: 0, most: 10, whole: true });
  check(request.maxToolRounds, { what: "maxToolRounds", least: 0, most: 1000, whole: true });
  check(request.maxAttempts, { what: "maxAttempts", least: 1, most: 20, whole: true });
  check(request.timeoutMs, { what: "timeoutMs", least: 1, most: MAX_TIME_MS });
  check(request.temperature, { what: "temperature", least: 0, most: 2 });
  check(request.seed, { what: "seed", least: Number.MIN_SAFE_INTEGER, whole: true });
  checkOneOf(request.effort, { what: "effort", allowed: ["low", "medium", "high"] });
  if (request.onText !== undefined && typeof request.onText !== "function") {
    throw wrong("onText", request.onText, "a function");
  }
  checkStop(request.stop);
  checkRouting(request.routing, "routing");
  checkFallbacks(request.fallbacks);
  checkCascade(request);
  checkTools(request.tools);
  checkBudget(request.budget);
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > MAX_MESSAGES) {
    throw wrong(
      "messages",
      messages,
      `an array of 1 to ${MAX_MESSAGES} turns, such as { role: "user", content: "…" }`,
    );
  }
  let length = 0;
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) {
      throw wrong(at, message, "an object with role and content");
    }
    const { role, content, toolCalls, toolCallId } = message;
    if (!ROLES.includes(role as string)) {
      throw wrong(`${at}.role`, role, `one of ${ROLES.join(", ")}`);
    }
    const mayBeEmpty = role === "tool" || role === "assistant";
    if (typeof content !== "string" || (content.trim() === "" && !mayBeEmpty)) {
      throw wrong(`${at}.content`, content, "a text that is not empty");
    }
    if (role === "tool" && typeof toolCallId !== "string") {
      throw wrong(`${at}.toolCallId`, toolCallId, "the id of the call that it answers");
    }
    if (toolCalls !== undefined && !Array.isArray(toolCalls)) {
      throw wrong(`${at}.toolCalls`, toolCalls, "an array");
    }
    length += content.length;
  }
  if (length > MAX_LENGTH) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `messages have ${length} characters in all; at most ${MAX_LENGTH} are allowed`,
    );
  }
  if (messages.every(({ role }) => role === "system")) {
    throw wrong("messages", undefined, "turns of which one at least is not the system's");
  }
}

function checkText(value: unknown, what: string): void {
  if (value !== undefined && (typeof value !== "string" || value === "" || value.length > MAX_NAME_LENGTH)) {
    throw wrong(what, value, `a text of 1 to ${MAX_NAME_LENGTH} characters`);
  }
}

function checkStop(stop: unknown): void {
  if (
    stop !== undefined &&
    !(Array.isArray(stop) && stop.every((text) => typeof text === "string" && text))
  ) {
    throw wrong("stop", stop, "an array of texts");
  }
}

function checkFallbacks(fallbacks: unknown): void {
  if (fallbacks !== undefined && !Array.isArray(fallbacks)) {
    throw wrong("fallbacks", fallbacks, "an array of { provider, model }");
  }
  checkRefs(fallbacks ?? [], "fallbacks");
}

function checkRefs(refs: readonly unknown[], what: string): void {
  for (const [index, ref] of refs.entries()) {
    const { provider, model } = isObject(ref) ? ref : {};
    if (typeof provider !== "string" || typeof model !== "string" || provider === "" || model === "") {
      throw wrong(`${what}[${index}]`, ref, "{ provider, model }");
    }
  }
}

const LEAST_MODELS = 2;

function checkCascade({ cascade, model = "auto", schema }: LlmRequest): void {
  if (cascade === undefined) {
    return;
  }
  if (!isObject(cascade)) {
    throw wrong("cascade", cascade, "an object with models and verify");
  }
  const { models, verify } = cascade as Record<string, unknown>;
  checkFields({ ...cascade }, ["models", "verify"], "cascade");
  if (!Array.isArray(models) || models.length < LEAST_MODELS) {
    throw wrong("cascade.models", models, "an array of two or more { provider, model }, the weakest first");
  }
  checkRefs(models, "cascade.models");
  if (verify === undefined ? schema === undefined : typeof verify !== "function") {
    throw wrong("cascade.verify", verify, "a function; it may be left out where there is a schema");
  }
  if (model !== "auto") {
    throw new GoalpostError("INVALID_INPUT", "cascade names the models: leave model out");
  }
}

function checkTools(tools: unknown): void {
  if (tools !== undefined && !isObject(tools)) {
    throw wrong("tools", tools, "an object of tools by name");
  }
  for (const [name, tool] of Object.entries(tools ?? {})) {
    if (!TOOL_NAME.test(name)) {
      throw wrong(
        "the name of a tool",
        name,
        "a letter or _, then letters, digits, _ or -, at most 64 characters",
      );
    }
    const { description, execute, timeoutMs } = (isObject(tool) ? tool : {}) as Partial<LlmTool>;
    if (typeof description !== "string" || typeof execute !== "function") {
      throw wrong(`tools.${name}`, tool, "{ description, args, execute }");
    }
    check(timeoutMs, { what: `tools.${name}.timeoutMs`, least: 1, most: MAX_TIME_MS });
  }
}

function checkBudget(budget: Budget | undefined): void {
  if (budget === undefined) {
    return;
  }
  if (!isObject(budget)) {
    throw wrong("budget", budget, "an object such as { usd: 0.5 }");
  }
  check(budget.usd, { what: "budget.usd", least: 0 });
  check(budget.tokens, { what: "budget.tokens", least: 0 });
  check(budget.calls, { what: "budget.calls", least: 0 });
  checkOneOf(budget.onExceed, { what: "budget.onExceed", allowed: ["fail", "pause"] });
}

/** Says what was given without saying what is in it: it may be a prompt. */
function wrong(what: string, given: unknown, allowed: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", `${what} ${kindOf(given)}; it must be ${allowed}`);
}

function kindOf(given: unknown): string {
  if (given === undefined) {
    return "is missing";
  }
  if (typeof given === "string") {
    return given.trim() === "" ? "is empty" : `is a text of ${given.length} characters`;
  }
  return Array.isArray(given)
    ? `is an array of ${given.length}`
    : given === null
      ? "is null"
      : `is a ${typeof given}`;
}
