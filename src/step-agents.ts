import { v5 as uuidOf } from "uuid";
import { replyTimedOut, requestFailed } from "./agents/replies.ts";
import { AGENT_STEP, type AgentPort, type KeyedReplyOptions, type StepAgents } from "./core/agent.ts";
import type { ErrorRecord } from "./core/error-record.ts";
import type { StepInfo } from "./core/goal.ts";
import type { Json } from "./core/json.ts";
import type { GoalInput, StepFunction, StepMap } from "./core/step.ts";
import type { TaskCall } from "./engine/code.ts";

/** What a step can do with agents. What it sends has ids made from its task: called again, it sends nothing twice. */
export function stepAgents(call: TaskCall): StepAgents {
  const { run, node, signal, waits, agents } = call;
  const from = `run:${run.id}`;
  const place = `${node.position}/${call.index ?? -1}`;
  let count = 0;
  const idOf = (name: string): string => uuidOf(`${place}/${name}`, run.id);
  return {
    send: (mail) => {
      count += 1;
      const messageId =
        mail?.messageId ?? idOf(`${count} ${mail?.to} ${mail?.type} ${textOf(mail?.payload)}`);
      return waits.keepBusy(async () => {
        signal.throwIfAborted();
        await agents.send({ from, ...mail, messageId }, null);
        return messageId;
      });
    },
    request: <T>(mail: Parameters<StepAgents["request"]>[0], options: KeyedReplyOptions = {}) => {
      count += 1;
      const key = `agent:${options.key ?? `/${count}`}`;
      const messageId = idOf(`${key} ${mail?.to}`);
      const asked = { id: messageId, to: mail?.to };
      const name = `agent:${messageId}`;
      const { timeoutMs } = options;
      return waits.answerTo<T>(key, {
        name,
        timeoutMs,
        timedOut: () => replyTimedOut(asked, timeoutMs ?? 0),
        begin: () => agents.send({ from, ...mail, messageId }, { runId: run.id, name }),
        read: (answer) => {
          const [reply, error] = answer as unknown as [Json, ErrorRecord | null];
          if (error) {
            throw requestFailed(asked, error);
          }
          return reply as T;
        },
      });
    },
    list: () => waits.keepBusy(() => agents.list()),
  };
}

/** Whether a step is an agent. */
export function isAgentStep(name: string): boolean {
  return name.startsWith(AGENT_STEP);
}

/** What an agent is sent when a task of a goal is its step. */
export const TASK_MESSAGE = "task";

/** The step that sends a task to an agent and waits for its reply. */
export function agentStep(name: string, description: string): StepFunction {
  const to = name.slice(AGENT_STEP.length);
  return (input: GoalInput, ctx) => {
    const { run, ...inputs } = input;
    const payload = { description, args: ctx.args as Json, inputs, goal: run };
    return ctx.agents.request({ to, type: TASK_MESSAGE, payload }, { key: "task" });
  };
}

/** The agents that there are, as steps that a plan can name. */
export async function agentSteps(port: AgentPort): Promise<{ steps: StepMap; infos: StepInfo[] }> {
  const infos = (await port.describe()).map(({ name, description }) => ({
    name: `${AGENT_STEP}${name}`,
    description,
  }));
  return {
    infos,
    steps: Object.fromEntries(infos.map(({ name, description }) => [name, agentStep(name, description)])),
  };
}

/** What cannot be stored is found where it is sent. */
function textOf(payload: unknown): string {
  try {
    return JSON.stringify(payload) ?? "";
  } catch {
    return "";
  }
}
