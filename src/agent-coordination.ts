import { toOneself, unknownAgent } from "./agents/check-mail.ts";
import { GoalpostError } from "./core/errors.ts";
import { isObject, type Json } from "./core/json.ts";
import type { Workflow } from "./core/workflow.ts";
import { workflow } from "./workflows/builder.ts";

/** A message to be routed from one agent to another. */
export interface CoordinationInput {
  /** Routed again under the same id, a message is acknowledged again, not delivered again. */
  readonly messageId: string;
  readonly sourceAgent: string;
  readonly targetAgent: string;
  readonly messageType: string;
  readonly payload: Json;
}

/** That a message was routed. */
export interface CoordinationOutput {
  readonly messageId: string;
  readonly sourceAgent: string;
  readonly targetAgent: string;
  readonly routed: boolean;
  /** When it was acknowledged: an ISO 8601 date. */
  readonly timestamp: string;
}

const FIELDS = ["messageId", "sourceAgent", "targetAgent", "messageType"] as const;

/**
 * Routes one message between two agents: `receive_message → validate_routing → route_message → acknowledge`. Every client
 * knows it. A message that lacks something fails with INVALID_INPUT, one to oneself, too, and one from or to an agent that
 * nobody has registered with UNKNOWN_AGENT; `details.agents` lists those that exist.
 */
export const AgentCoordination: Workflow<CoordinationInput, { acknowledge: CoordinationOutput }> =
  workflow<CoordinationInput>("AgentCoordination")
    .step("receive_message", async ({ run }) => receive(run))
    .step("validate_routing", { after: ["receive_message"] }, async ({ receive_message: message }, ctx) => {
      const { sourceAgent, targetAgent } = message;
      const names = (await ctx.agents.list()).map(({ name }) => name);
      for (const name of [sourceAgent, targetAgent]) {
        if (!names.includes(name)) {
          throw unknownAgent(name, names);
        }
      }
      if (sourceAgent === targetAgent) {
        throw toOneself(sourceAgent, names);
      }
      return message;
    })
    .step("route_message", { after: ["validate_routing"] }, async ({ validate_routing: message }, ctx) => {
      const { messageId, sourceAgent: from, targetAgent: to, messageType: type, payload } = message;
      await ctx.agents.send({ messageId, from, to, type, payload });
      return message;
    })
    .step("acknowledge", { after: ["route_message"] }, async ({ route_message: message }) => {
      const { messageId, sourceAgent, targetAgent } = message;
      return { messageId, sourceAgent, targetAgent, routed: true, timestamp: new Date().toISOString() };
    });

/** @throws INVALID_INPUT that names every field at fault */
function receive(message: unknown): CoordinationInput {
  const given = isObject(message) ? message : {};
  const missing = FIELDS.filter((field) => typeof given[field] !== "string" || given[field] === "");
  if (missing.length > 0) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the message lacks ${missing.join(", ")}: each must be a text that is not empty. ` +
        "A message is { messageId, sourceAgent, targetAgent, messageType, payload }.",
      { details: { missing } },
    );
  }
  const { messageId, sourceAgent, targetAgent, messageType, payload = null } = given;
  return { messageId, sourceAgent, targetAgent, messageType, payload } as CoordinationInput;
}
