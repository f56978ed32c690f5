import { appendFileSync } from "node:fs";
import { expect, test } from "vitest";

/** A number from 0 to 1 for one answer, larger is better; undefined where it says nothing. */
export type Scorer<Item, Output> = (item: Item, output: Output) => number | undefined;

export interface EvalDefinition<Item extends { readonly name: string }, Output> {
  readonly name: string;
  readonly data: readonly Item[];
  /** Does the work for one item. */
  readonly task: (item: Item) => Promise<Output>;
  readonly scorers: Readonly<Record<string, Scorer<Item, Output>>>;
  /** What the means must reach, by scorer. */
  readonly thresholds?: Readonly<Record<string, number>> | undefined;
  /** Milliseconds for all items together. Default 600,000. */
  readonly timeoutMs?: number | undefined;
}

/** What an eval found. */
export interface EvalReport {
  readonly name: string;
  readonly items: readonly {
    readonly name: string;
    readonly scores: Readonly<Record<string, number | undefined>>;
  }[];
  readonly means: Readonly<Record<string, number>>;
  readonly thresholds: Readonly<Record<string, number>>;
}

/**
 * A vitest test that does the task for every item, scores what comes out, prints a table, and fails where a mean is
 * below its threshold. With GOALPOST_EVAL_JSON=FILE the report is added to that file, one JSON document a line.
 */
export function defineEval<Item extends { readonly name: string }, Output>(
  definition: EvalDefinition<Item, Output>,
): void {
  test(definition.name, { timeout: definition.timeoutMs ?? 600_000 }, async () => {
    const report = await runEval(definition);
    console.log(toTable(report));
    const file = process.env.GOALPOST_EVAL_JSON;
    if (file) {
      appendFileSync(file, `${JSON.stringify(report)}\n`);
    }
    for (const [scorer, least] of Object.entries(report.thresholds)) {
      expect(report.means[scorer], `${scorer} of ${report.name}`).toBeGreaterThanOrEqual(least);
    }
  });
}

/** Does the task for every item, one after the other, and scores what comes out. */
export async function runEval<Item extends { readonly name: string }, Output>(
  definition: EvalDefinition<Item, Output>,
): Promise<EvalReport> {
  const { name, data, task, scorers, thresholds = {} } = definition;
  const items: { name: string; scores: Record<string, number | undefined> }[] = [];
  for (const item of data) {
    const output = await task(item);
    const scores = Object.entries(scorers).map(([key, scorer]) => [key, scorer(item, output)] as const);
    items.push({ name: item.name, scores: Object.fromEntries(scores) });
  }
  const means = Object.keys(scorers).map(
    (key) => [key, mean(items.map((item) => item.scores[key]))] as const,
  );
  return { name, items, means: Object.fromEntries(means), thresholds };
}

function mean(values: readonly (number | undefined)[]): number {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** The scores of all items, the means last. */
export function toTable(report: EvalReport): string {
  const scorers = Object.keys(report.means);
  const rows = [
    ...report.items,
    { name: "mean", scores: report.means },
    { name: "at least", scores: report.thresholds },
  ];
  const width = Math.max(...rows.map((row) => row.name.length));
  const cell = (value: number | undefined, scorer: string): string =>
    (value === undefined ? "-" : value.toFixed(2)).padStart(Math.max(scorer.length, 4));
  const head = `${"".padEnd(width)}  ${scorers.map((scorer) => scorer.padStart(4)).join("  ")}`;
  const lines = rows.map(
    (row) =>
      `${row.name.padEnd(width)}  ${scorers.map((scorer) => cell((row.scores as Record<string, number | undefined>)[scorer], scorer)).join("  ")}`,
  );
  return [report.name, head, ...lines].join("\n");
}
