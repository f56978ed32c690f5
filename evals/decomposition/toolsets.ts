import { defineStep, type StepMap } from "goalpost";
import { z } from "zod";

const text = z.string();
const notRun = (): never => {
  throw new Error("an eval plans only");
};

function step(description: string, args: z.ZodType, output: z.ZodType): StepMap[string] {
  return defineStep({ description, args, output, execute: notRun });
}

/** Steps by domain. Each has some that its goals do not need. */
export const TOOLSETS = {
  travel: {
    search_flights: step(
      "finds flights between two cities on a day",
      z.object({ from: text, to: text, date: text }),
      z.object({ flights: z.array(text), cheapest: text }),
    ),
    search_hotels: step(
      "finds hotels in a city",
      z.object({ city: text, nights: z.number().int().min(1), max_price: z.number().optional() }),
      z.object({ hotels: z.array(text), best: text }),
    ),
    get_weather: step(
      "forecasts the weather of a city",
      z.object({ city: text }),
      z.object({ forecast: text }),
    ),
    find_restaurants: step(
      "finds restaurants in a city",
      z.object({ city: text, kind: text.nullish() }),
      z.object({ names: z.array(text) }),
    ),
    book_flight: step(
      "books a flight; costs money",
      z.object({ flight: text }),
      z.object({ confirmation: text }),
    ),
    book_hotel: step(
      "books a hotel; costs money",
      z.object({ hotel: text, nights: z.number().int() }),
      z.object({ confirmation: text }),
    ),
    write_itinerary: step(
      "writes an itinerary from what was found",
      z.object({ parts: z.array(z.unknown()) }),
      z.object({ text }),
    ),
    send_email: step(
      "sends an email",
      z.object({ to: text, subject: text, body: text }),
      z.object({ id: text }),
    ),
    convert_currency: step(
      "converts an amount",
      z.object({ amount: z.number(), from: text, to: text }),
      z.object({ amount: z.number() }),
    ),
  },
  software: {
    read_repo: step(
      "lists and reads the files of a repository",
      z.object({ path: text }),
      z.object({ files: z.array(text), summary: text }),
    ),
    run_tests: step(
      "runs the test suite",
      z.object({ path: text }),
      z.object({ passed: z.boolean(), log: text }),
    ),
    run_linter: step(
      "checks the style of the code",
      z.object({ path: text }),
      z.object({ problems: z.array(text) }),
    ),
    audit_dependencies: step(
      "looks for known vulnerabilities in dependencies",
      z.object({ path: text }),
      z.object({ findings: z.array(text) }),
    ),
    write_code: step(
      "changes code as described",
      z.object({ task: text, context: z.unknown().optional() }),
      z.object({ diff: text }),
    ),
    write_docs: step("writes documentation of code", z.object({ about: text }), z.object({ text })),
    build_image: step("builds a container image", z.object({ path: text }), z.object({ image: text })),
    deploy: step(
      "deploys an image to an environment",
      z.object({ image: text, to: z.enum(["staging", "production"]) }),
      z.object({ url: text }),
    ),
    smoke_test: step(
      "checks that a deployed service answers",
      z.object({ url: text }),
      z.object({ healthy: z.boolean() }),
    ),
    notify_team: step(
      "tells the team in its channel",
      z.object({ message: text }),
      z.object({ sent: z.boolean() }),
    ),
  },
  data: {
    load_table: step(
      "loads a table from a file or database",
      z.object({ source: text }),
      z.object({ rows: z.array(z.unknown()) }),
    ),
    clean_table: step(
      "removes duplicates and empty rows",
      z.object({ rows: z.array(z.unknown()) }),
      z.object({ rows: z.array(z.unknown()) }),
    ),
    join_tables: step(
      "joins two tables by a column",
      z.object({ left: z.array(z.unknown()), right: z.array(z.unknown()), by: text }),
      z.object({ rows: z.array(z.unknown()) }),
    ),
    aggregate: step(
      "groups rows and sums them up",
      z.object({ rows: z.array(z.unknown()), by: text, of: text }),
      z.object({ totals: z.array(z.unknown()) }),
    ),
    plot: step(
      "draws a chart",
      z.object({ values: z.array(z.unknown()), title: text }),
      z.object({ image: text }),
    ),
    forecast: step(
      "forecasts a series",
      z.object({ values: z.array(z.unknown()), months: z.number().int() }),
      z.object({ values: z.array(z.unknown()) }),
    ),
    find_outliers: step(
      "finds values out of the ordinary",
      z.object({ rows: z.array(z.unknown()) }),
      z.object({ rows: z.array(z.unknown()) }),
    ),
    write_report: step(
      "writes a report from results",
      z.object({ parts: z.array(z.unknown()) }),
      z.object({ text }),
    ),
  },
  office: {
    web_search: step(
      "searches the web",
      z.object({ query: text, limit: z.number().int().optional() }),
      z.object({ results: z.array(text) }),
    ),
    read_page: step("reads a web page", z.object({ url: text }), z.object({ text })),
    read_document: step("reads a document", z.object({ name: text }), z.object({ text })),
    summarize: step(
      "sums up a text",
      z.object({ text: z.unknown(), words: z.number().int().optional() }),
      z.object({ summary: text }),
    ),
    translate: step("translates a text", z.object({ text: z.unknown(), to: text }), z.object({ text })),
    compare: step(
      "compares things and names the differences",
      z.object({ things: z.array(z.unknown()) }),
      z.object({ table: text }),
    ),
    draft: step(
      "drafts a text of any kind",
      z.object({ kind: text, about: text, from: z.array(z.unknown()).optional() }),
      z.object({ text }),
    ),
    find_slot: step(
      "finds a time at which all are free",
      z.object({ people: z.array(text) }),
      z.object({ at: text }),
    ),
    create_event: step(
      "puts an event into the calendar",
      z.object({ at: text, title: text, people: z.array(text) }),
      z.object({ id: text }),
    ),
    create_account: step(
      "creates an account for a person",
      z.object({ person: text, system: text }),
      z.object({ login: text }),
    ),
    send_message: step(
      "sends a message to people",
      z.object({ to: z.array(text), text: z.unknown() }),
      z.object({ id: text }),
    ),
  },
} as const satisfies Readonly<Record<string, StepMap>>;

export type Toolset = keyof typeof TOOLSETS;
