import type { JsonSchema } from "../core/goal.ts";
import { isObject } from "../core/json.ts";
import { recursionOf } from "./schema-refs.ts";

/** Whose rules for schemas apply. "compatible": servers that speak OpenAI's Chat Completions. */
export type SchemaDialect = "openai" | "anthropic" | "gemini" | "compatible";

/** A schema as a provider takes it. */
export interface CompiledSchema {
  /** What is sent. Its root is always an object. */
  readonly schema: JsonSchema;
  /**
   * The provider can hold answers to it. False where its rules have no words for the schema (a record, a tuple, a
   * value of any kind): then `schema` is the original, and whoever sends it must not call it strict.
   */
  readonly strict: boolean;
  /** The original's root is no object: the answer is `{ "value": … }`. */
  readonly wrapped: boolean;
}

interface Rules {
  /** Keywords that are sent as they are; the others are told in the description. */
  readonly keywords: ReadonlySet<string>;
  readonly formats: ReadonlySet<string>;
  /** Objects have the properties that are named, and no others. */
  readonly closed: boolean;
  /** Every property is required; those that were not may be null. */
  readonly allRequired: boolean;
  /** What there are no words for is left out, or told in the description; it does not make the schema loose. */
  readonly lenient: boolean;
}

const OPENAI: Rules = {
  keywords: new Set(
    "type title description enum const pattern format multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems".split(
      " ",
    ),
  ),
  formats: new Set("date-time time date duration email hostname ipv4 ipv6 uuid".split(" ")),
  closed: true,
  allRequired: true,
  lenient: false,
};

const ANTHROPIC: Rules = {
  keywords: new Set("type title description enum const format".split(" ")),
  formats: new Set("date-time time date duration email hostname uri ipv4 ipv6 uuid".split(" ")),
  closed: true,
  allRequired: false,
  lenient: false,
};

const GEMINI: Rules = {
  keywords: new Set("type title description enum format minItems maxItems minimum maximum".split(" ")),
  formats: new Set("date-time date time".split(" ")),
  closed: false,
  allRequired: false,
  lenient: true,
};

const RULES: Readonly<Record<SchemaDialect, Rules>> = {
  openai: OPENAI,
  compatible: OPENAI,
  anthropic: ANTHROPIC,
  gemini: GEMINI,
};

/** The rules have no words for it. */
class CannotHold extends Error {}

/**
 * Makes a plain JSON Schema (draft 2020-12, as `z.toJSONSchema(schema, { io: "input", reused: "inline" })` gives it)
 * fit the rules of a provider. What the provider cannot check is told in descriptions, so the answer has to be
 * checked against the original after {@link restoreOptional}.
 */
export function compileSchema(json: JsonSchema, dialect: SchemaDialect): CompiledSchema {
  const wrapped = json.type !== "object";
  const { $schema: _, ...root } = wrapped ? wrap(json) : json;
  try {
    return { schema: new Translation(root, RULES[dialect]).schema, strict: true, wrapped };
  } catch (error) {
    if (error instanceof CannotHold) {
      return { schema: root, strict: false, wrapped };
    }
    throw error;
  }
}

/** Providers want an object at the root. */
function wrap({ $schema: _, $defs, ...value }: JsonSchema): JsonSchema {
  const defs = isObject($defs) ? $defs : {};
  let name = "Answer";
  while (name in defs) {
    name += "_";
  }
  // References to what was the root, or to a place in it, have to follow it.
  let moved = false;
  const text = JSON.stringify({ value, defs }, (key, inner: unknown) => {
    if (key === "$ref" && typeof inner === "string" && /^#(?!\/\$defs\/)/.test(inner)) {
      moved = true;
      return `#/$defs/${name}${inner.slice(1)}`;
    }
    return inner;
  });
  const inside = JSON.parse(text) as { value: JsonSchema; defs: Record<string, JsonSchema> };
  const all = moved ? { ...inside.defs, [name]: inside.value } : inside.defs;
  return {
    type: "object",
    properties: { value: moved ? { $ref: `#/$defs/${name}` } : inside.value },
    required: ["value"],
    additionalProperties: false,
    ...(Object.keys(all).length > 0 ? { $defs: all } : {}),
  };
}

/** Where a part of the schema is. */
interface Place {
  /** The definition it is in, as references name it. */
  readonly within: string;
  /** Whether there is a property between that definition and it. */
  readonly inProperty: boolean;
  readonly depth: number;
}

const MAX_DEPTH = 10;
const MAX_PROPERTIES = 5000;
const MAX_ENUM_VALUES = 1000;

/** Keywords that {@link Translation} looks at itself, and those that say nothing about an answer. */
const HANDLED: ReadonlySet<string> = new Set(
  "$schema $defs $id $anchor $comment properties required additionalProperties propertyNames items prefixItems anyOf oneOf readOnly writeOnly deprecated".split(
    " ",
  ),
);

/** Keywords that change what is allowed, not only how much of it. */
const STRUCTURAL: ReadonlySet<string> = new Set(
  "allOf not if then else patternProperties dependentSchemas dependentRequired contains unevaluatedProperties unevaluatedItems $dynamicRef".split(
    " ",
  ),
);

class Translation {
  readonly schema: JsonSchema;
  readonly #rules: Rules;
  readonly #cycles: ReturnType<typeof recursionOf>;
  #properties = 0;
  #enumValues = 0;

  constructor(root: JsonSchema, rules: Rules) {
    this.#rules = rules;
    this.#cycles = recursionOf(root);
    const { $defs, ...own } = root;
    const schema = this.#node(own, { within: "#", inProperty: false, depth: 1 });
    const defs = isObject($defs) ? Object.entries($defs) : [];
    this.schema =
      defs.length === 0
        ? schema
        : {
            ...schema,
            $defs: Object.fromEntries(
              defs.map(([name, def]) => [
                name,
                this.#node(def, { within: `#/$defs/${name}`, inProperty: false, depth: 1 }),
              ]),
            ),
          };
  }

  #node(given: unknown, place: Place): JsonSchema {
    if (isAnything(given)) {
      return this.#rules.lenient ? describe(given) : cannotHold();
    }
    if (isNothing(given) || !isObject(given)) {
      return cannotHold();
    }
    if (typeof given.$ref === "string") {
      return this.#reference(given.$ref, place);
    }
    if (place.depth > MAX_DEPTH && !this.#rules.lenient) {
      return cannotHold();
    }
    const plain = this.#plainKeywords(given);
    const result: Record<string, unknown> = { ...plain, ...this.#branches(given, place) };
    if (given.type === "object" || isObject(given.properties)) {
      Object.assign(result, this.#object(given, place));
    }
    Object.assign(result, this.#array(given, place));
    return result;
  }

  #reference($ref: string, place: Place): JsonSchema {
    if (!$ref.startsWith("#")) {
      return this.#rules.lenient ? {} : cannotHold();
    }
    // Gemini unrolls cycles, which ends only where the answer may leave the property out.
    return this.#rules.lenient && !place.inProperty && this.#cycles.reaches($ref, place.within)
      ? {}
      : { $ref };
  }

  /** Keywords without schemas in them; those that the provider does not know go into the description. */
  #plainKeywords(given: Readonly<Record<string, unknown>>): JsonSchema {
    const kept: Record<string, unknown> = {};
    const told: string[] = [];
    for (const [keyword, value] of Object.entries(withoutNoise(given))) {
      if (HANDLED.has(keyword)) {
        continue;
      }
      if (STRUCTURAL.has(keyword) && !this.#rules.lenient) {
        cannotHold();
      }
      if (this.#keeps(keyword, value, given)) {
        kept[keyword] = value;
      } else if (keyword === "const" && (typeof value === "string" || typeof value === "number")) {
        kept.enum = [value];
      } else if (keyword === "minItems" && (value === 0 || value === 1) && !this.#rules.lenient) {
        kept.minItems = value;
      } else if (!(keyword === "pattern" && "format" in given)) {
        told.push(`${keyword} ${JSON.stringify(value)}`);
      }
    }
    if (Array.isArray(kept.enum)) {
      this.#enumValues += kept.enum.length;
      if (this.#enumValues > MAX_ENUM_VALUES && !this.#rules.lenient) {
        cannotHold();
      }
    }
    return withNotes(kept, told);
  }

  #keeps(keyword: string, value: unknown, given: Readonly<Record<string, unknown>>): boolean {
    const { keywords, formats, lenient } = this.#rules;
    if (!keywords.has(keyword)) {
      return false;
    }
    switch (keyword) {
      case "format":
        return formats.has(String(value));
      case "pattern":
        // Their engines know neither lookaround nor references back.
        return !("format" in given) && !/\(\?[=!<]|\\[1-9]|\\k</.test(String(value));
      case "enum":
        return !(
          lenient &&
          Array.isArray(value) &&
          value.some((one) => typeof one !== "string" && typeof one !== "number")
        );
      default:
        return true;
    }
  }

  #branches(given: Readonly<Record<string, unknown>>, place: Place): JsonSchema {
    const branches = given.anyOf ?? given.oneOf;
    if (!Array.isArray(branches)) {
      return {};
    }
    const possible = branches.filter((branch) => !isNothing(branch));
    return { anyOf: possible.map((branch) => this.#node(branch, { ...place, depth: place.depth + 1 })) };
  }

  #array(given: Readonly<Record<string, unknown>>, place: Place): JsonSchema {
    const inside = { ...place, depth: place.depth + 1 };
    if (Array.isArray(given.prefixItems)) {
      if (!this.#rules.lenient) {
        return cannotHold();
      }
      return {
        prefixItems: given.prefixItems.map((item) => this.#node(item, inside)),
        ...(isObject(given.items) ? { items: this.#node(given.items, inside) } : {}),
      };
    }
    if (given.type === "array" && given.items === undefined && !this.#rules.lenient) {
      return cannotHold();
    }
    return given.items === undefined ? {} : { items: this.#node(given.items, inside) };
  }

  #object(given: Readonly<Record<string, unknown>>, place: Place): JsonSchema {
    const required = new Set(Array.isArray(given.required) ? given.required : []);
    const entries = Object.entries(isObject(given.properties) ? given.properties : {}).filter(
      ([name, property]) => required.has(name) || !isNothing(property),
    );
    this.#properties += entries.length;
    if (this.#properties > MAX_PROPERTIES && !this.#rules.lenient) {
      cannotHold();
    }
    const inside = { ...place, inProperty: true, depth: place.depth + 1 };
    const properties = entries.map(([name, property]) => {
      const translated = this.#node(property, inside);
      const optional = this.#rules.allRequired && !required.has(name);
      return [name, optional ? orNull(translated) : translated] as const;
    });
    const needed = this.#rules.allRequired
      ? entries.map(([name]) => name)
      : [...required].filter((name) => !this.#mustBeOptional(given.properties, String(name), place));
    return {
      properties: Object.fromEntries(properties),
      ...(this.#rules.allRequired || needed.length > 0 ? { required: needed } : {}),
      ...this.#otherProperties(given, entries.length, inside),
    };
  }

  /** Gemini: a property that leads back to the definition it is in must not be required. */
  #mustBeOptional(properties: unknown, name: string, { within }: Place): boolean {
    const property = isObject(properties) ? properties[name] : undefined;
    return this.#rules.lenient && this.#cycles.leadsTo(property, within);
  }

  #otherProperties(given: Readonly<Record<string, unknown>>, named: number, place: Place): JsonSchema {
    const others = given.additionalProperties;
    if (!this.#rules.closed) {
      return others === undefined
        ? {}
        : { additionalProperties: isObject(others) ? this.#node(others, place) : others };
    }
    // An answer without other properties is one of those allowed, unless they are all there is to it.
    const open = others !== undefined && others !== false;
    if (open && (named === 0 || !isAnything(others))) {
      cannotHold();
    }
    return { additionalProperties: false };
  }
}

function cannotHold(): never {
  throw new CannotHold();
}

const ANNOTATIONS: ReadonlySet<string> = new Set(
  "$schema $comment title description default examples readOnly writeOnly deprecated".split(" "),
);

/** Whether a schema allows everything. */
function isAnything(schema: unknown): boolean {
  return schema === true || (isObject(schema) && Object.keys(schema).every((key) => ANNOTATIONS.has(key)));
}

function isNothing(schema: unknown): boolean {
  return schema === false || (isObject(schema) && "not" in schema && isAnything(schema.not));
}

function describe(schema: unknown): JsonSchema {
  return isObject(schema) && typeof schema.description === "string"
    ? { description: schema.description }
    : {};
}

/** Without what only says that a whole number is a whole number. */
function withoutNoise(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([key, value]) =>
        !(key === "maximum" && value === Number.MAX_SAFE_INTEGER) &&
        !(key === "minimum" && value === Number.MIN_SAFE_INTEGER),
    ),
  );
}

function withNotes(schema: Record<string, unknown>, notes: readonly string[]): JsonSchema {
  if (notes.length === 0) {
    return schema;
  }
  const before = typeof schema.description === "string" ? `${schema.description}\n` : "";
  return { ...schema, description: `${before}(${notes.join(", ")})` };
}

const SIMPLE: ReadonlySet<unknown> = new Set(["string", "number", "integer", "boolean"]);

function orNull(schema: JsonSchema): JsonSchema {
  const { type, anyOf } = schema;
  if (Array.isArray(type)) {
    return type.includes("null") ? schema : { ...schema, type: [...type, "null"], ...enumOrNull(schema) };
  }
  if (type === "null") {
    return schema;
  }
  if (SIMPLE.has(type) && !("const" in schema)) {
    return { ...schema, type: [type, "null"], ...enumOrNull(schema) };
  }
  if (Array.isArray(anyOf)) {
    const has = anyOf.some((branch) => isObject(branch) && branch.type === "null");
    return has ? schema : { ...schema, anyOf: [...anyOf, { type: "null" }] };
  }
  return { anyOf: [schema, { type: "null" }] };
}

function enumOrNull(schema: JsonSchema): JsonSchema {
  return Array.isArray(schema.enum) && !schema.enum.includes(null) ? { enum: [...schema.enum, null] } : {};
}

export { restoreOptional } from "./restore-optional.ts";
