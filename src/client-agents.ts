import { Agents } from "./agents/agents.ts";
import type { RunGoal } from "./agents/handling.ts";
import { Mailroom, type MailroomParts } from "./agents/mailroom.ts";
import type { App } from "./core/app.ts";
import { RunFailedError } from "./core/errors.ts";
import type { ModelCalls } from "./core/model-calls.ts";
import { isTransient } from "./engine/transient.ts";
import type { GoalRuns } from "./goal-runs.ts";
import type { ClientParts } from "./open-options.ts";

export type { Mailroom };

/** A run's failure is recorded: another try of the handler would be told the same. */
class GoalFailedError extends RunFailedError {
  override readonly retryable = false;
}

/** The agents of a client, and what moves their messages. */
export function clientAgents(
  { maxOutputBytes, concurrency, starts, ...client }: ClientParts,
  { workerId, models }: { readonly workerId: string; readonly models: ModelCalls },
  goals: () => GoalRuns,
): {
  agents: Agents;
  mailroom: Mailroom;
} {
  const handles: MailroomParts["handles"] = concurrency === 0 ? "no" : starts ? "always" : "ticked";
  const runGoal = runGoals(goals);
  const parts = { ...client, workerId, handles, maxBytes: maxOutputBytes, isTransient, runGoal, models };
  const mailroom = new Mailroom(parts);
  return { agents: new Agents(parts, mailroom), mailroom };
}

/** Runs the goals of handlers: once for each key, whoever asks again. */
function runGoals(goals: () => GoalRuns): RunGoal {
  return async ([goal, decomposer, steps, { key: _, ...limits }], { key, signal }) => {
    const options = { ...limits, idempotencyKey: key };
    const handle = await goals().start(goal, { decomposer, steps, options, graph: null });
    try {
      return await handle.result({ signal });
    } catch (error) {
      throw error instanceof RunFailedError
        ? new GoalFailedError(error.runId, error.failedTask, error.cause)
        : error;
    }
  };
}

/** Registers an app's agents; what keeps one from being registered is logged. */
export function registerAgents(agents: Agents, app: App, logger: ClientParts["logger"]): void {
  for (const [name, definition] of Object.entries(app.agents ?? {})) {
    agents.register(name, definition).catch((error: unknown) => {
      logger.error({ agent: name, error: String(error) }, "an agent of the app could not be registered");
    });
  }
}
