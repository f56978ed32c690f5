import type { OnExhausted, OnSkip, StepPolicy } from "../core/retry.ts";
import { END, hopRanks, type NodeSpec, type Shape, type ShapeEdge } from "../core/shape.ts";
import { mapsRun, type WorkflowMap } from "../core/workflow.ts";

/** What a step's place in a workflow says of it. */
export interface PlacedStep {
  readonly name: string;
  readonly after: readonly string[];
  readonly optional: readonly string[];
  readonly policy: StepPolicy;
  readonly onSkip?: OnSkip | undefined;
  readonly onExhausted?: OnExhausted | undefined;
  readonly map?: WorkflowMap | undefined;
}

/** The nodes and edges of a workflow: its steps in order, then an end that waits for those that no step comes after. */
export function toShape(steps: readonly PlacedStep[]): Shape {
  const positions = new Map(steps.map((step, position) => [step.name, position]));
  const end = steps.length;
  const used = new Set(steps.flatMap((step) => step.after));
  const edges: ShapeEdge[] = steps.flatMap((step, dst) =>
    step.after.map((name) => ({
      src: positions.get(name) ?? end,
      dst,
      reason: "data" as const,
      optional: step.optional.includes(name),
    })),
  );
  const leaves = steps.flatMap((step, src) =>
    used.has(step.name) ? [] : [{ src, dst: end, reason: "data" as const, optional: false }],
  );
  const all = [...edges, ...leaves];
  const ranks = hopRanks(steps.length + 1, all);
  const nodes = steps.map((step, position) => ({
    name: step.name,
    kind: step.map ? ("map" as const) : ("step" as const),
    dependencies: step.after.length,
    rank: ranks[position] ?? 0,
    spec: toSpec(step),
    ...(step.map?.over !== undefined && { mapOver: positions.get(step.map.over) ?? end }),
    ...(step.map?.items && { mapItems: step.map.items }),
  }));
  return {
    nodes: [...nodes, { name: END, kind: "end", dependencies: leaves.length, rank: 0, spec: {} }],
    edges: all,
  };
}

function toSpec({ policy, onSkip, onExhausted, map }: PlacedStep): NodeSpec {
  return JSON.parse(
    JSON.stringify({
      ...policy,
      onSkip,
      onExhausted,
      over: map && (mapsRun(map) ? "run" : map.over),
      concurrency: map?.concurrency,
    }),
  ) as NodeSpec;
}
