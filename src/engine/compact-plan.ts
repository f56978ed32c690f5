import type { DefinitionNode, RunDefinition } from "./definitions.ts";
import type { StartRow } from "./protocol.ts";

/** A definition with more tasks than this is never carried out as compact runs: each entry rewrites the journal. */
const MAX_TASKS = 16;

/** What a worker knows of a definition in order to carry out compact runs of it. */
export interface CompactPlan {
  readonly definition: RunDefinition;
  readonly tasks: number;
  /** Tasks without dependencies, the most urgent first. */
  readonly first: readonly number[];
  /** By position: how many tasks it waits for. */
  readonly waitsFor: ReadonlyMap<number, number>;
  /** By position: the tasks that wait for it, the most urgent first. */
  readonly leadsTo: ReadonlyMap<number, readonly number[]>;
  /** The tasks whose outputs are the run's, in its order. */
  readonly outputs: readonly DefinitionNode[];
}

const plans = new WeakMap<RunDefinition, CompactPlan | null>();

/** The plan of a definition of plain steps; null for any other. */
export function compactPlan(definition: RunDefinition): CompactPlan | null {
  const known = plans.get(definition);
  if (known !== undefined) {
    return known;
  }
  const plan = makePlan(definition);
  plans.set(definition, plan);
  return plan;
}

function makePlan(definition: RunDefinition): CompactPlan | null {
  const nodes = definition.nodes();
  const steps = nodes.filter((node) => node.kind === "step" && node.lane === null);
  const end = nodes.find((node) => node.kind === "end");
  if (!end || steps.length !== nodes.length - 1 || steps.length > MAX_TASKS) {
    return null;
  }
  const byRank = steps.toSorted((a, b) => a.rank - b.rank);
  const leadsTo = new Map<number, number[]>();
  const waitsFor = new Map<number, number>();
  for (const { position } of byRank) {
    const sources = definition.sourcesOf(position);
    waitsFor.set(position, sources.length);
    for (const source of sources) {
      leadsTo.set(source, [...(leadsTo.get(source) ?? []), position]);
    }
  }
  return {
    definition,
    tasks: steps.length,
    first: byRank.map(({ position }) => position).filter((position) => waitsFor.get(position) === 0),
    waitsFor,
    leadsTo,
    outputs: definition
      .sourcesOf(end.position)
      .toSorted((a, b) => a - b)
      .map((position) => definition.node(position)),
  };
}

/** Whether nothing about a run, but for its definition, keeps it from being stored as a compact one. */
export function mayBeCompact(
  row: StartRow,
  worker: { readonly id: string; readonly lane: string | undefined },
): boolean {
  return (
    row.source === "static" &&
    row.execution === "local" &&
    row.lane === worker.lane &&
    row.owner === worker.id &&
    row.priority === 0 &&
    !row.idempotencyKey &&
    row.inputHash === null &&
    row.deadlineMs === null &&
    !row.delayMs &&
    !row.maxParallel &&
    !row.traced &&
    !row.beginsWithMap &&
    row.labels === null &&
    !row.budget &&
    row.settings === null &&
    row.shape === null
  );
}
