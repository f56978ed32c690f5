import { v5 as uuidOf } from "uuid";
import { type Json, toJson } from "../core/json.ts";
import type { LlmMessage, LlmTool, ToolCall } from "../core/llm.ts";
import type { ToolSpec } from "../core/model.ts";
import type { LlmCallContext, ToolDecision } from "../core/model-calls.ts";
import type { LlmParts } from "./llm-parts.ts";
import { type CompiledSchema, compileSchema } from "./schemas.ts";
import { limited } from "./sleep.ts";

const DEFAULT_TOOL_TIMEOUT_MS = 30_000;
/** Characters of a tool's output that a model is told. */
const MAX_OUTPUT_LENGTH = 50_000;
const MAX_ERROR_LENGTH = 2000;

/** A tool, with the schema that models are told. */
export interface CompiledTool {
  readonly spec: ToolSpec;
  readonly schema: CompiledSchema;
  readonly tool: LlmTool;
}

export type CompiledTools = ReadonlyMap<string, CompiledTool>;

/** @throws INVALID_INPUT if the args of a tool cannot be written as JSON Schema */
export async function compileTools(tools: Readonly<Record<string, LlmTool>>): Promise<CompiledTools> {
  const compiled = Object.entries(tools).map(async ([name, tool]) => {
    const schema = await compileSchema(tool.args, `tools.${name}.args`);
    const spec: ToolSpec = { name, description: tool.description, parameters: schema.json };
    return [name, { spec, schema, tool }] as const;
  });
  return new Map(await Promise.all(compiled));
}

/** The calls that a model asks for in one turn. */
export interface ToolRound {
  readonly calls: readonly ToolCall[];
  readonly tools: CompiledTools;
  /** Which turn it is, from 0. */
  readonly turn: number;
  /** Tells apart conversations that are held for one request. */
  readonly prefix: string;
  readonly ctx: LlmCallContext;
}

/** What a model is told of a call. */
interface ToolResult {
  readonly content: string;
  readonly isError: boolean;
}

/**
 * Carries out the calls of one turn at the same time, and answers each. What goes wrong in a tool is the model's to
 * deal with. In a task a call that was carried out is remembered.
 * @throws the signal's reason
 */
export async function carryOutCalls(parts: LlmParts, round: ToolRound): Promise<LlmMessage[]> {
  const results = round.calls.map((call, index) => resultOf(parts, { ...round, call, index }));
  return (await Promise.all(results)).map(({ content, isError }, index) => ({
    role: "tool",
    content,
    toolCallId: round.calls[index]?.id,
    ...(isError && { isError }),
  }));
}

interface OneCall extends ToolRound {
  readonly call: ToolCall;
  readonly index: number;
}

async function resultOf(parts: LlmParts, one: OneCall): Promise<ToolResult> {
  const { call, tools, turn, index, ctx, prefix } = one;
  const key = `${prefix}tool/${turn}/${index}`;
  const known = ctx.task?.recall(key);
  if (known !== undefined) {
    return known as unknown as ToolResult;
  }
  const compiled = tools.get(call.name);
  if (!compiled) {
    return failed(`there is no tool "${call.name}"; there are: ${[...tools.keys()].join(", ")}`);
  }
  const problem = await problemWith(compiled, call.args);
  if (problem !== undefined) {
    return failed(problem);
  }
  const decision = await decide(compiled.tool, one);
  const work = async (): Promise<ToolResult> => {
    const result = decision.approved
      ? await execute(parts, compiled, { args: decision.args, ctx })
      : failed(`${decision.by} does not allow this call: ${decision.reason}`);
    await ctx.task?.remember(key, result);
    return result;
  };
  return ctx.task ? ctx.task.keepBusy(work) : work();
}

async function decide(tool: LlmTool, { call, turn, index, ctx, prefix }: OneCall): Promise<ToolDecision> {
  if (!tool.sideEffect || !ctx.task) {
    return { approved: true, args: call.args };
  }
  const id = uuidOf(`${prefix}${turn}/${index}`, ctx.requestId);
  return ctx.task.approve({ id, tool: call.name, args: call.args });
}

/** Whether there is such a tool, and it takes such arguments. */
export async function fitsTool({ name, args }: ToolCall, tools: CompiledTools): Promise<boolean> {
  const compiled = tools.get(name);
  return compiled !== undefined && (await problemWith(compiled, args)) === undefined;
}

async function problemWith({ schema }: CompiledTool, args: Json): Promise<string | undefined> {
  if (args === null) {
    return "the arguments are not valid JSON";
  }
  const checked = await schema.check(args);
  if (!("issues" in checked)) {
    return undefined;
  }
  const issues = checked.issues.map(
    ({ path, message }) => `${path === "" ? "the arguments" : path}: ${message}`,
  );
  return `the arguments do not fit: ${issues.join("; ")}`;
}

async function execute(
  { clock }: LlmParts,
  { tool, schema, spec }: CompiledTool,
  { args, ctx }: { args: Json; ctx: LlmCallContext },
): Promise<ToolResult> {
  const ms = tool.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS;
  const late = (): Error => new Error(`the tool did not end within ${ms} ms`);
  try {
    const checked = await schema.check(args);
    if ("issues" in checked) {
      return failed("the arguments that were approved do not fit the tool");
    }
    const output = await limited({ clock, signal: ctx.signal, ms, late }, async (signal) =>
      tool.execute(checked.value, { signal }),
    );
    return { content: encode(output, spec.name), isError: false };
  } catch (error) {
    ctx.signal.throwIfAborted();
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function encode(output: unknown, name: string): string {
  const text = typeof output === "string" ? output : toJson(output, `tool "${name}" returned`);
  return text.length <= MAX_OUTPUT_LENGTH
    ? text
    : `${text.slice(0, MAX_OUTPUT_LENGTH)}\n(cut here: it has ${text.length} characters)`;
}

function failed(why: string): ToolResult {
  return { content: why.slice(0, MAX_ERROR_LENGTH), isError: true };
}
