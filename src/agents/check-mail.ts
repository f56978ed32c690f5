import { AGENT_STEP, type AgentMail } from "../core/agent.ts";
import type { AgentDefinition } from "../core/agent-definition.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject, isStorableText, toJson } from "../core/json.ts";
import { checkNames } from "../core/lanes.ts";
import { checkName, NAME_RULE, nameProblem } from "../core/names.ts";
import { check, checkPolicy } from "../core/policy.ts";

const MAX_TYPE_LENGTH = 128;
const MAX_ID_LENGTH = 256;

/** What every message says besides its recipient, checked. */
export interface CheckedMail {
  readonly from: string | null;
  readonly type: string;
  readonly conversation: string | null;
  /** JSON text. */
  readonly payload: string;
}

/** @throws INVALID_INPUT */
export function checkMail(mail: Omit<AgentMail, "to">, maxBytes: number): CheckedMail {
  if (!isObject(mail)) {
    throw invalid(`a message is ${kindOf(mail)}; it must be { from, to, type, payload }`);
  }
  const { from, type, conversationId, messageId } = mail;
  if (from !== undefined) {
    checkName(from, "sender");
  }
  checkText(type, { what: "the type of a message", most: MAX_TYPE_LENGTH });
  if (conversationId !== undefined) {
    checkText(conversationId, { what: "conversationId", most: MAX_ID_LENGTH });
  }
  if (messageId !== undefined) {
    checkText(messageId, { what: "messageId", most: MAX_ID_LENGTH });
  }
  const payload = payloadToJson(mail.payload, maxBytes);
  return { from: from ?? null, type, conversation: conversationId ?? null, payload };
}

/** @throws INVALID_INPUT */
function payloadToJson(value: unknown, maxBytes: number): string {
  let text: string;
  try {
    text = toJson(value, "the payload of a message is");
  } catch (error) {
    const { message, details } = error as GoalpostError;
    throw new GoalpostError("INVALID_INPUT", message, { cause: error, ...(details && { details }) });
  }
  const bytes = text.length * 3 <= maxBytes ? 0 : Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the payload of a message has ${bytes} bytes of JSON; ${maxBytes} are allowed. ` +
        "Store large data elsewhere and send where it is, or raise workers.maxOutputBytes.",
      { details: { bytes, allowed: maxBytes } },
    );
  }
  return text;
}

/** @throws INVALID_INPUT */
export function checkAgent(name: unknown, definition: AgentDefinition): void {
  checkName(name, "agent");
  if (nameProblem(`${AGENT_STEP}${name}`)) {
    const most = 128 - AGENT_STEP.length;
    throw invalid(
      `agent name ${JSON.stringify(name)} is too long: at most ${most} characters. Allowed: ${NAME_RULE}.`,
    );
  }
  if (!isObject(definition)) {
    throw invalid(
      `agent "${name}" is ${kindOf(definition)}; it must be { description, capabilities, onMessage }`,
    );
  }
  const what = `agent "${name}"`;
  if (typeof definition.onMessage !== "function") {
    throw invalid(
      `${what}: onMessage is ${kindOf(definition.onMessage)}; it must be a function of a message and ctx`,
    );
  }
  if (!isStorableText(definition.description)) {
    throw invalid(`${what}: description is ${kindOf(definition.description)}; it must be a text`);
  }
  checkNames(definition.capabilities, `${what}: capabilities`);
  checkPolicy(definition, what);
  check(definition.concurrency, { what: `${what}: concurrency`, least: 1, most: 100_000, whole: true });
}

/** @throws INVALID_INPUT */
export function checkText(value: unknown, rule: { readonly what: string; readonly most: number }): void {
  if (!isStorableText(value) || value === "" || value.length > rule.most) {
    const given = typeof value === "string" ? `has ${value.length} characters` : `is ${kindOf(value)}`;
    throw invalid(
      `${rule.what} ${given}; it must be a well-formed text of 1 to ${rule.most} characters without \\u0000`,
    );
  }
}

/** A list of agents for a message: those that exist. */
export function listAgents(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`);
  const rest = names.length - shown.length;
  return names.length === 0
    ? "there are no agents"
    : `there are ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

export function unknownAgent(name: string, known: readonly string[]): GoalpostError {
  return new GoalpostError(
    "UNKNOWN_AGENT",
    `agent ${JSON.stringify(name)} is not known: ${listAgents(known)}. Register it with gp.agents.register first.`,
    { details: { agent: name, agents: known } },
  );
}

export function toOneself(name: string, known: readonly string[]): GoalpostError {
  const others = known.filter((one) => one !== name);
  return new GoalpostError(
    "INVALID_INPUT",
    `agent "${name}" cannot send messages to itself; besides it ${listAgents(others)}`,
    { details: { agent: name, agents: others } },
  );
}

function kindOf(value: unknown): string {
  return value === null
    ? "null"
    : value === undefined
      ? "missing"
      : Array.isArray(value)
        ? "an array"
        : `a ${typeof value}`;
}

function invalid(message: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", message);
}
