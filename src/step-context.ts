import type { StepAgents } from "./core/agent.ts";
import type { EmbedTexts, StepEmbed } from "./core/embedding.ts";
import type { Goal } from "./core/goal.ts";
import type { ModelCalls } from "./core/model-calls.ts";
import type { StepContext } from "./core/step.ts";
import type { TaskCall } from "./engine/code.ts";
import { stepAgents } from "./step-agents.ts";
import { embedContext, makeTaskEmbed, taskEmbedTexts } from "./task-embed.ts";
import { type AskModel, makeTaskLlm } from "./task-llm.ts";

const CALL: unique symbol = Symbol("goalpost.call");

/** What the steps of built-in workflows choose models by. */
export function modelsOf(ctx: object): ModelCalls {
  return (ctx as { readonly [CALL]: TaskCall })[CALL].models;
}

/** What the steps of built-in workflows embed with: texts of any length, remembered as `ctx.embed` does. */
export function embedTextsOf(ctx: object): EmbedTexts {
  return taskEmbedTexts((ctx as { readonly [CALL]: TaskCall })[CALL]);
}

/** Finds an embedding model, and embeds nothing. @throws INVALID_INPUT, NO_PROVIDER */
export async function checkModelKnown(
  ctx: object,
  model: string | undefined,
): Promise<{ readonly provider: string; readonly model: string }> {
  const context = { ...embedContext((ctx as { readonly [CALL]: TaskCall })[CALL]), task: null };
  const { provider, model: name } = await modelsOf(ctx).embed(
    { texts: [], model, purpose: "query" },
    context,
  );
  return { provider, model: name };
}

/** The ctx of a step, from the engine's view of its try. */
export function makeContext<Input, Args>(
  call: TaskCall,
  own: { readonly input: Input; readonly args: Args; readonly goal: Goal | undefined },
): StepContext<Input, Args> {
  let llm: AskModel | undefined;
  let embed: StepEmbed | undefined;
  let agents: StepAgents | undefined;
  const { waits } = call;
  // Written out in one piece: to copy objects into it would cost as much as a short step.
  const ctx: StepContext<Input, Args> & { readonly [CALL]: TaskCall } = {
    input: own.input,
    args: own.args,
    goal: own.goal,
    [CALL]: call,
    runId: call.run.id,
    taskId: call.node.name,
    attempt: call.attempt,
    index: call.index,
    log: call.log,
    once: ((key, fn) => call.once(key, fn)) as StepContext<Input, Args>["once"],
    llm: (request, options) => {
      llm ??= makeTaskLlm(call);
      return llm(request, options);
    },
    channels: { send: (channel, message) => call.send(channel, message) },
    progress: (fraction, note) => call.progress(fraction, note),
    sleep: (ms, options) => waits.sleep(ms, options),
    waitFor: ((name, options) => waits.waitFor(name, options)) as StepContext["waitFor"],
    execute: ((workflow, input, options) =>
      waits.execute(workflow, input, options)) as StepContext["execute"],
    // biome-ignore lint/complexity/useMaxParams: the call of StepContext.
    executeGoal: (goal, decomposer, steps, options) =>
      waits.executeGoal({ goal, decomposer, steps, options }),
    get signal() {
      return call.signal;
    },
    get embed() {
      embed ??= makeTaskEmbed(call);
      return embed;
    },
    get agents() {
      agents ??= stepAgents(call);
      return agents;
    },
  };
  return ctx;
}
