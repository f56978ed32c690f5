import type { Json } from "../../core/json.ts";
import { isObject } from "../../core/json.ts";
import type { ModelRequest, ToolSpec } from "../../core/model.ts";
import { type CompiledSchema, compileSchema, restoreOptional, type SchemaDialect } from "../json-schema.ts";
import { parseArgs } from "./wire.ts";

/** The shape of an answer in a provider's words, and the way back. */
export interface Structured extends CompiledSchema {
  readonly name: string;
  /** The text of an answer as the original schema expects it; a text that is no JSON stays as it is. */
  readonly restore: (answer: string) => string;
}

/** @returns undefined for a request without a schema */
export function structuredOf(request: ModelRequest, dialect: SchemaDialect): Structured | undefined {
  if (!request.schema) {
    return undefined;
  }
  const { name, json } = request.schema;
  const compiled = compileSchema(json, dialect);
  const restore = (answer: string): string => {
    const plain = withoutFence(answer);
    try {
      const value: unknown = JSON.parse(plain);
      const restored = restoreOptional(unwrap(value, compiled.wrapped), json);
      return JSON.stringify(restored) === JSON.stringify(value) ? plain : JSON.stringify(restored);
    } catch {
      return answer;
    }
  };
  return { ...compiled, name: safeName(name), restore };
}

/** A model that was only asked in words may answer without the wrapping. */
function unwrap(value: unknown, wrapped: boolean): unknown {
  const isWrapping = isObject(value) && Object.keys(value).length === 1 && "value" in value;
  return wrapped && isWrapping ? value.value : value;
}

/** Models that are asked in words like to put JSON into a fence. */
function withoutFence(answer: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/i.exec(answer)?.[1] ?? answer;
}

/** Asks for the shape in words, for servers that cannot be held to it otherwise. */
export function askInWords({ schema }: CompiledSchema): string {
  return `Answer with one JSON value and nothing else: no prose, no code fence. It must fit this JSON Schema:\n${JSON.stringify(schema)}`;
}

/** A tool in a provider's words. */
export interface CompiledTool {
  readonly name: string;
  readonly description: string;
  readonly compiled: CompiledSchema;
}

export interface Tools {
  readonly specs: readonly CompiledTool[];
  /** Args as the tool's own schema expects them. */
  readonly readArgs: (name: string, args: unknown) => Json;
}

/** @param loose keep the schemas as they are, for providers that take any */
export function toolsOf(request: ModelRequest, dialect: SchemaDialect, loose: boolean): Tools {
  const specs = (request.tools ?? []).map(({ name, description, parameters }) => ({
    name,
    description,
    compiled: compileTool(parameters, dialect, loose),
    parameters,
  }));
  return {
    specs,
    readArgs: (name, args) => {
      const parsed = parseArgs(args);
      const tool = specs.find((spec) => spec.name === name);
      return tool
        ? (restoreOptional(unwrap(parsed, tool.compiled.wrapped), tool.parameters) as Json)
        : parsed;
    },
  };
}

function compileTool(
  parameters: ToolSpec["parameters"],
  dialect: SchemaDialect,
  loose: boolean,
): CompiledSchema {
  const compiled = compileSchema(parameters, dialect);
  if (!loose || compiled.wrapped) {
    return compiled;
  }
  const { $schema: _, ...schema } = parameters;
  return { schema, strict: false, wrapped: false };
}

/** Names of schemas may have letters, digits, `_` and `-`, 64 at most. */
function safeName(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64) || "answer";
}
