import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { compileSchema, restoreOptional, type SchemaDialect } from "../../src/llm/json-schema.ts";

const DIALECTS: readonly SchemaDialect[] = ["openai", "anthropic", "gemini", "compatible"];

const jsonOf = (schema: z.ZodType): Record<string, unknown> =>
  z.toJSONSchema(schema, { target: "draft-2020-12", io: "input", reused: "inline" });

const compiled = (schema: z.ZodType, dialect: SchemaDialect): ReturnType<typeof compileSchema> =>
  compileSchema(jsonOf(schema), dialect);

interface Tree {
  name: string;
  kids: Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get kids() {
    return z.array(Tree);
  },
});

describe("a schema for OpenAI", () => {
  test("requires everything and closes every object", () => {
    const { schema, strict, wrapped } = compiled(
      z.object({ a: z.object({ b: z.string().optional() }).optional(), c: z.enum(["x", "y"]).optional() }),
      "openai",
    );
    expect({ strict, wrapped }).toEqual({ strict: true, wrapped: false });
    expect(schema).toEqual({
      type: "object",
      properties: {
        a: {
          anyOf: [
            {
              type: "object",
              properties: { b: { type: ["string", "null"] } },
              required: ["b"],
              additionalProperties: false,
            },
            { type: "null" },
          ],
        },
        c: { type: ["string", "null"], enum: ["x", "y", null] },
      },
      required: ["a", "c"],
      additionalProperties: false,
    });
  });

  test("tells what it cannot check, and keeps what it can", () => {
    const { schema } = compiled(
      z.object({
        a: z.string().min(2).max(5).describe("a name"),
        b: z.number().min(1).max(9),
        c: z.email(),
        d: z.string().regex(/^x(?=y)/),
        e: z.string().regex(/^[a-z]+$/),
        f: z.string().default("red"),
        g: z.url(),
      }),
      "openai",
    );
    expect(schema.properties).toEqual({
      a: { type: "string", description: "a name\n(minLength 2, maxLength 5)" },
      b: { type: "number", minimum: 1, maximum: 9 },
      c: { type: "string", format: "email" },
      d: { type: "string", description: '(pattern "^x(?=y)")' },
      e: { type: "string", pattern: "^[a-z]+$" },
      f: { type: ["string", "null"], description: '(default "red")' },
      g: { type: "string", description: '(format "uri")' },
    });
  });

  test("says anyOf for unions", () => {
    const union = z.discriminatedUnion("t", [
      z.object({ t: z.literal("a"), x: z.string() }),
      z.object({ t: z.literal("b") }),
    ]);
    const { schema, strict } = compiled(z.object({ u: union }), "openai");
    expect(strict).toBe(true);
    expect(JSON.stringify(schema)).not.toContain("oneOf");
    expect(JSON.stringify(schema)).toContain('"anyOf"');
  });

  test.each([
    ["a record", z.record(z.string(), z.number())],
    ["any value", z.unknown()],
    ["a tuple", z.tuple([z.string()])],
    ["any JSON", z.json()],
    [
      "twelve levels",
      Array.from({ length: 12 }).reduce((inner: z.ZodType) => z.object({ inner }), z.string()),
    ],
  ])("is not strict with %s in it, and keeps it", (_, inner) => {
    const json = jsonOf(z.object({ inner }));
    const result = compileSchema(json, "openai");
    const { $schema: _schema, ...rest } = json;
    expect(result).toEqual({ schema: rest, strict: false, wrapped: false });
  });

  test("leaves out properties that can have no value", () => {
    const { schema } = compiled(z.object({ a: z.never().optional(), b: z.string() }), "openai");
    expect(Object.keys(schema.properties as object)).toEqual(["b"]);
  });
});

describe("a schema for Anthropic", () => {
  test("leaves optional properties optional", () => {
    const { schema } = compiled(z.object({ a: z.string().optional(), b: z.string().nullish() }), "anthropic");
    expect(schema).toMatchObject({ properties: { a: { type: "string" }, b: { type: ["string", "null"] } } });
    expect(schema).not.toHaveProperty("required");
  });

  test("keeps minItems of 0 and 1 only", () => {
    const { schema } = compiled(
      z.object({ a: z.array(z.string()).min(1), b: z.array(z.string()).min(2) }),
      "anthropic",
    );
    expect(schema.properties).toEqual({
      a: { type: "array", minItems: 1, items: { type: "string" } },
      b: { type: "array", description: "(minItems 2)", items: { type: "string" } },
    });
  });

  test("has no words for a record: it would become an empty object", () => {
    expect(compiled(z.object({ r: z.record(z.string(), z.string()) }), "anthropic").strict).toBe(false);
  });
});

describe("a schema for Gemini", () => {
  test("has records, tuples and any values", () => {
    const { schema, strict } = compiled(
      z.object({ r: z.record(z.string(), z.number()), t: z.tuple([z.string(), z.number()]), u: z.unknown() }),
      "gemini",
    );
    expect(strict).toBe(true);
    expect(schema.properties).toMatchObject({
      r: { type: "object", additionalProperties: { type: "number" } },
      t: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }] },
      u: {},
    });
  });

  test("says enum for constants, and tells patterns", () => {
    const { schema } = compiled(
      z.object({ a: z.literal("x"), b: z.literal(true), c: z.string().regex(/^a/) }),
      "gemini",
    );
    expect(schema.properties).toEqual({
      a: { type: "string", enum: ["x"] },
      b: { type: "boolean", description: "(const true)" },
      c: { type: "string", description: '(pattern "^a")' },
    });
  });

  test("does not require what leads back to where it is: Gemini would unroll it for ever", () => {
    expect(compiled(Tree, "gemini").schema).toMatchObject({
      properties: { kids: { items: { $ref: "#" } } },
      required: ["name"],
    });
    expect(compiled(z.object({ root: Tree }), "gemini").schema).toMatchObject({
      required: ["root"],
      $defs: { __schema0: { required: ["name"] } },
    });
  });
});

describe.each(DIALECTS)("in the dialect of %s", (dialect) => {
  test("references follow a root that is wrapped", () => {
    const { schema, wrapped } = compiled(z.array(Tree), dialect);
    expect(wrapped).toBe(true);
    expect(refs(schema).every((ref) => resolves(schema, ref))).toBe(true);
    const lazy: z.ZodType = z.lazy(() => z.union([z.string(), z.array(lazy)]));
    const own = compiled(lazy, dialect).schema;
    expect(refs(own).every((ref) => ref !== "#" && resolves(own, ref))).toBe(true);
  });

  test("a recursive object keeps its references", () => {
    const { schema, strict } = compiled(Tree, dialect);
    expect(strict).toBe(true);
    expect(refs(schema)).toEqual(["#"]);
  });

  test("the root is always an object", () => {
    for (const schema of [
      z.string(),
      z.array(z.number()),
      z.union([z.string(), z.null()]),
      z.null(),
      z.unknown(),
    ]) {
      expect(compiled(schema, dialect).schema.type).toBe("object");
    }
  });
});

function refs(part: unknown): string[] {
  return typeof part !== "object" || part === null
    ? []
    : Object.entries(part).flatMap(([key, value]) => (key === "$ref" ? [String(value)] : refs(value)));
}

function resolves(schema: unknown, ref: string): boolean {
  let at: unknown = schema;
  for (const part of ref.split("/").slice(1)) {
    at = (at as Record<string, unknown> | undefined)?.[part];
  }
  return typeof at === "object";
}

describe("restoreOptional", () => {
  const restored = (schema: z.ZodType, value: unknown): unknown => restoreOptional(value, jsonOf(schema));

  test("leaves a null that the original allows", () => {
    const schema = z.object({ a: z.string().nullable(), b: z.string().nullish(), c: z.string().optional() });
    expect(restored(schema, { a: null, b: null, c: null })).toEqual({ a: null, b: null });
  });

  test("leaves a null that nothing explains, so that it is found to be wrong", () => {
    expect(restored(z.object({ a: z.string() }), { a: null })).toEqual({ a: null });
  });

  test("looks into arrays, records, tuples, references and unions", () => {
    const part = z.object({ n: z.number().optional() });
    const schema = z.object({
      list: z.array(part),
      record: z.record(z.string(), part),
      tuple: z.tuple([part, z.null()]),
      union: z.union([
        z.object({ t: z.literal("a"), ...part.shape }),
        z.object({ t: z.literal("b"), n: z.null() }),
      ]),
    });
    expect(
      restored(schema, {
        list: [{ n: null }, { n: 1 }],
        record: { x: { n: null } },
        tuple: [{ n: null }, null],
        union: { t: "b", n: null },
      }),
    ).toEqual({ list: [{}, { n: 1 }], record: { x: {} }, tuple: [{}, null], union: { t: "b", n: null } });
    expect(restored(schema.shape.union, { t: "a", n: null })).toEqual({ t: "a" });
  });

  test("takes names like __proto__ for what they are", () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":null}');
    const schema = z.object({ constructor: z.string().optional() });
    expect(JSON.stringify(restored(schema, value))).toBe('{"__proto__":{"a":1}}');
  });
});

/** A schema, a value that it allows, and what a provider that must not leave anything out would answer for it. */
interface Sample {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly answer: unknown;
}

const leaf: fc.Arbitrary<Sample> = fc.oneof(
  fc.string().map((value) => ({ schema: z.string(), value, answer: value })),
  fc.integer().map((value) => ({ schema: z.int(), value, answer: value })),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => {
    const plain = value === 0 ? 0 : value;
    return { schema: z.number(), value: plain, answer: plain };
  }),
  fc.boolean().map((value) => ({ schema: z.boolean(), value, answer: value })),
  fc.constantFrom("a", "b").map((value) => ({ schema: z.enum(["a", "b"]), value, answer: value })),
  fc.constant({ schema: z.literal("only"), value: "only", answer: "only" }),
  fc.constant({ schema: z.null(), value: null, answer: null }),
);

const name = fc.constantFrom("a", "b", "c", "weird name", "ü");

const sample: fc.Arbitrary<Sample> = fc.letrec<{ any: Sample }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.dictionary(name, fc.tuple(tie("any"), fc.constantFrom("required", "present", "absent"))).map(objectOf),
    fc.tuple(tie("any"), fc.nat(3)).map(([inner, length]) => ({
      schema: z.array(inner.schema),
      value: Array.from({ length }, () => inner.value),
      answer: Array.from({ length }, () => inner.answer),
    })),
    fc.tuple(tie("any"), fc.boolean()).map(([inner, isNull]) => ({
      schema: inner.schema.nullable(),
      value: isNull ? null : inner.value,
      answer: isNull ? null : inner.answer,
    })),
    fc.tuple(tie("any"), tie("any")).map(([first, second]) => ({
      schema: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("first"), first: first.schema, more: z.string().optional() }),
        z.object({ kind: z.literal("second"), second: second.schema }),
      ]),
      value: { kind: "first", first: first.value },
      answer: { kind: "first", first: first.answer, more: null },
    })),
    fc.tuple(tie("any"), name).map(([inner, key]) => ({
      schema: z.record(z.string(), inner.schema),
      value: { [key]: inner.value },
      answer: { [key]: inner.answer },
    })),
  ),
})).any;

function objectOf(entries: Record<string, readonly [Sample, string]>): Sample {
  const all = Object.entries(entries);
  const nullable = (inner: Sample): boolean => inner.schema.safeParse(null).success;
  return {
    schema: z.object(
      Object.fromEntries(
        all.map(([key, [inner, how]]) => [key, how === "required" ? inner.schema : inner.schema.optional()]),
      ),
    ),
    value: Object.fromEntries(
      all.flatMap(([key, [inner, how]]) =>
        // Where null is a value of its own, it cannot be told from one that is absent.
        how === "absent" ? (nullable(inner) ? [[key, null]] : []) : [[key, inner.value]],
      ),
    ),
    answer: Object.fromEntries(
      all.map(([key, [inner, how]]) => [key, how === "absent" ? null : inner.answer]),
    ),
  };
}

describe("any schema", () => {
  test("is held by every dialect, or said not to be; its answers survive the way there and back", () => {
    fc.assert(
      fc.property(sample, fc.constantFrom(...DIALECTS), ({ schema, value, answer }, dialect) => {
        expect(schema.safeParse(value).success).toBe(true);
        const json = jsonOf(schema);
        const { schema: sent, strict, wrapped } = compileSchema(json, dialect);
        expect(wrapped).toBe(json.type !== "object");
        expect(sent.type).toBe("object");
        if (strict && dialect === "openai") {
          expectStrict(sent);
          // What is sent allows the answer that we expect.
          const allowed = z.fromJSONSchema(sent as never).safeParse(wrapped ? { value: answer } : answer);
          expect(allowed.success).toBe(true);
        }
        expect(restoreOptional(answer, json)).toEqual(value);
        // What was not changed stays as it is, whichever way the provider answered.
        expect(restoreOptional(value, json)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });
});

function expectStrict(part: unknown): void {
  if (typeof part !== "object" || part === null) {
    return;
  }
  const { type, properties, required, additionalProperties } = part as Record<string, unknown>;
  if (type === "object") {
    expect(additionalProperties).toBe(false);
    expect(required).toEqual(Object.keys(properties as object));
  }
  for (const inner of Object.values(part)) {
    expectStrict(inner);
  }
}
