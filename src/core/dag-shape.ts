import type { Json } from "./json.ts";
import type { StepPolicy } from "./retry.ts";
import { END, hopRanks, type NodeSpec, type Shape, type ShapeEdge, type ShapeNode } from "./shape.ts";

/** A node of a DAG of named steps; it only comes after nodes that are before it in the list. */
export interface DagStep {
  readonly name: string;
  readonly kind: "step" | "map";
  /** The steps whose outputs it needs, `over` left out. */
  readonly after: readonly string[];
  readonly policy: StepPolicy;
  /** The step whose output a map goes over; absent: the run's input, or {@link items}. */
  readonly over?: string | undefined;
  readonly concurrency?: number | undefined;
  /** What a map goes over, if it is fixed. */
  readonly items?: readonly Json[] | undefined;
}

/** The definition of a DAG of named steps: one node a step, and the end node that its leaves lead into. */
export function dagShape(steps: readonly DagStep[]): Shape {
  const positions = new Map(steps.map((step, position) => [step.name, position]));
  const at = (name: string): number => positions.get(name) ?? 0;
  const end = steps.length;
  const sources = steps.map(dependenciesOf);
  const used = new Set(sources.flat());
  const data = (src: number, dst: number): ShapeEdge => ({ src, dst, reason: "data", optional: false });
  const edges = sources.flatMap((names, dst) => names.map((name) => data(at(name), dst)));
  const leaves = steps.flatMap((step, src) => (used.has(step.name) ? [] : [data(src, end)]));
  const all = [...edges, ...leaves];
  const ranks = hopRanks(steps.length + 1, all);
  const nodes = steps.map(
    (step, position): ShapeNode => ({
      name: step.name,
      kind: step.kind,
      dependencies: sources[position]?.length ?? 0,
      rank: ranks[position] ?? 0,
      spec: toSpec(step.policy),
      ...(step.over !== undefined && { mapOver: at(step.over) }),
      ...(step.concurrency !== undefined && { mapConcurrency: step.concurrency }),
      ...(step.items !== undefined && { mapItems: step.items }),
    }),
  );
  return {
    nodes: [...nodes, { name: END, kind: "end", dependencies: leaves.length, rank: 0, spec: {} }],
    edges: all,
  };
}

/** Every step that the given one waits for, each once. */
function dependenciesOf({ after, over }: DagStep): string[] {
  return [...new Set(over === undefined ? after : [...after, over])];
}

function toSpec(policy: StepPolicy): NodeSpec {
  return JSON.parse(JSON.stringify(policy)) as NodeSpec;
}
