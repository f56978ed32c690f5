import type { Json } from "./json.ts";
import { laneSuffix } from "./lanes.ts";
import type { OnExhausted, OnSkip } from "./retry.ts";

/** What a node of a definition is: see migrations/0001_engine.sql. */
export type NodeKind = "step" | "map" | "plan" | "gate" | "join" | "end";

/** Names of nodes that no task has: `/` is not allowed in ids. */
export const END = "/end";
export const PLAN = "/plan";
/** With the version behind it: what plans again. See migrations/functions/add_replan.sql. */
export const REPLAN = "/replan/";

/** A node of a definition. Its position is its index in {@link Shape.nodes}, from the first one added. */
export interface ShapeNode {
  readonly name: string;
  readonly kind: NodeKind;
  /** How many edges lead into it. */
  readonly dependencies: number;
  /** Larger is sooner, among the tasks of one run: the longest way to the end. */
  readonly rank: number;
  /** What the code needs to carry it out. Of it the engine reads onSkip, onExhausted and concurrency only. */
  readonly spec: NodeSpec;
  /** Of a map: the position of the node whose output it maps over. Default: it maps over the run's input. */
  readonly mapOver?: number;
  /** Of a map: what it maps over, if that is fixed. */
  readonly mapItems?: readonly Json[];
  /** Of planned runs: the positions of the joins around it, outermost first. */
  readonly within?: readonly number[];
}

/** The part of a node that the database keeps for the code. */
export interface NodeSpec {
  /** The step that does it, if not the node's name. */
  readonly step?: string;
  readonly description?: string;
  readonly args?: Json;
  /** The compound task it is in. */
  readonly parent?: string;
  /** Which plan it comes from, if that is not the first. */
  readonly version?: number;
  /** Levels of nesting, from 1. */
  readonly depth?: number;
  readonly maxAttempts?: number;
  readonly timeoutMs?: number;
  readonly onSkip?: OnSkip;
  readonly onExhausted?: OnExhausted;
  /** Of a map: the task or step whose output it maps over, or "run" for the run's input. */
  readonly over?: string;
  /** Items of a map that may be under way at once. */
  readonly concurrency?: number;
  /** Capabilities that a worker of a distributed run needs. */
  readonly requires?: readonly string[];
  /** A person is asked before it is carried out. */
  readonly approval?: boolean;
  /** The graph that it recurs in, if that is known: tasks with one name and one shape are alike. */
  readonly shape?: string;
  /** What was learned about it: counts only where neither the task nor its step says something. */
  readonly hint?: TaskHint;
  /** The task that does the same: its output is this one's, and nothing is carried out. */
  readonly same?: string;
  readonly retry?: {
    readonly baseMs?: number;
    readonly factor?: number;
    readonly maxDelayMs?: number;
    readonly jitter?: boolean;
  };
}

/** What the optimizer makes of a task: see DispatchHint in ./optimizer.ts. */
export interface TaskHint {
  readonly timeoutMs?: number;
  readonly finalErrors?: readonly string[];
  readonly hedgeAfterMs?: number;
  readonly model?: { readonly provider: string; readonly model: string };
  readonly offCriticalPath?: boolean;
}

/** src and dst are positions: 0… of this shape, {@link existing} ones of the definition it is added to. */
export interface ShapeEdge {
  readonly src: number;
  readonly dst: number;
  readonly reason: "data" | "order" | "conflict" | "gate";
  readonly optional: boolean;
}

/** A definition, or what one grows by. */
export interface Shape {
  readonly nodes: readonly ShapeNode[];
  readonly edges: readonly ShapeEdge[];
  /** Positions of the definition that grows whose outputs its existing nodes let through to the new ones. */
  readonly letThrough?: readonly number[];
  /** Of a plan that replaces another: what it changed. */
  readonly diff?: Json;
  /** How often the plan of the run that begins with this may be replaced. Default: never. */
  readonly maxReplans?: number | undefined;
}

/** How an edge of an extension names a node that is there already. */
export function existing(position: number): number {
  return -1 - position;
}

/** A shape as the database functions take it: see migrations/functions/add_steps.sql. */
export function shapeToRows(shape: Shape): Json {
  const inputs = inputsOf(shape);
  const parts = [
    shape.nodes.map(({ name, kind, dependencies, rank, spec, mapOver, within }, position) => [
      name,
      kind,
      dependencies,
      -rank,
      laneSuffix(spec.requires),
      spec.step ?? null,
      spec.onSkip ?? null,
      spec.onExhausted ?? null,
      mapOver ?? null,
      (kind === "map" ? spec.concurrency : null) ?? null,
      // A map's items are given their element instead of the whole array.
      [...(inputs[position] ?? [])].filter((input) => input !== mapOver),
      ...(within ? [within] : []),
    ]),
    shape.nodes.map((node) => node.spec as Json),
    shape.edges.map((edge) => [edge.src, edge.dst, edge.reason, edge.optional]),
    shape.nodes.some((node) => node.mapItems) ? shape.nodes.map((node) => node.mapItems ?? null) : null,
  ];
  const { diff, maxReplans } = shape;
  return (
    diff === undefined && maxReplans === undefined
      ? parts
      : [...parts, diff === undefined ? null : [diff], maxReplans ?? null]
  ) as Json;
}

const WITH_OUTPUT: ReadonlySet<NodeKind> = new Set(["step", "map", "join"]);

/** For each node the positions whose outputs it is given, those behind its gates included. */
function inputsOf({ nodes, edges, letThrough = [] }: Shape): ReadonlySet<number>[] {
  const sources: ShapeEdge[][] = nodes.map(() => []);
  for (const edge of edges) {
    sources[edge.dst]?.push(edge);
  }
  const known = new Map<number, ReadonlySet<number>>();
  const collect = (position: number): ReadonlySet<number> => {
    const before = known.get(position);
    if (before) {
      return before;
    }
    const inputs = new Set<number>();
    known.set(position, inputs);
    for (const { src, reason } of sources[position] ?? []) {
      if (reason === "gate") {
        const behind = src < 0 ? letThrough.map(existing) : collect(src);
        for (const input of behind) {
          inputs.add(input);
        }
      } else if (src < 0 || WITH_OUTPUT.has(nodes[src]?.kind ?? "end")) {
        inputs.add(src);
      }
    }
    return inputs;
  };
  return nodes.map((_, position) => collect(position));
}

/**
 * For each node the number of edges on the longest way to a node without successors (upward rank with unit cost:
 * Topcuoglu et al., 2002). The edges must be acyclic. Linear in nodes plus edges.
 */
export function hopRanks(
  nodeCount: number,
  edges: readonly { readonly src: number; readonly dst: number }[],
): number[] {
  const ranks = new Array<number>(nodeCount).fill(0);
  const successorsLeft = new Array<number>(nodeCount).fill(0);
  const predecessors: number[][] = Array.from({ length: nodeCount }, () => []);
  for (const { src, dst } of edges) {
    if (src >= 0 && dst >= 0) {
      successorsLeft[src] = (successorsLeft[src] ?? 0) + 1;
      predecessors[dst]?.push(src);
    }
  }
  const settled = ranks.flatMap((_, node) => (successorsLeft[node] === 0 ? [node] : []));
  for (let next = settled.pop(); next !== undefined; next = settled.pop()) {
    for (const before of predecessors[next] ?? []) {
      ranks[before] = Math.max(ranks[before] ?? 0, (ranks[next] ?? 0) + 1);
      successorsLeft[before] = (successorsLeft[before] ?? 0) - 1;
      if (successorsLeft[before] === 0) {
        settled.push(before);
      }
    }
  }
  return ranks;
}
