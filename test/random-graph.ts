import fc from "fast-check";
import { type AnyWorkflow, NonRetryableError, workflow } from "../src/index.ts";

interface Common {
  /** Indexes of earlier nodes. */
  readonly after: readonly number[];
}

/** A step that fails so often before it succeeds. */
interface RandomStep extends Common {
  readonly kind: "step";
  readonly failures: number;
  readonly maxAttempts: number;
  readonly permanent: boolean;
  readonly onExhausted: "fail" | "cascade" | "continue";
  /** What its condition says; undefined: it has none. */
  readonly when: boolean | undefined;
  readonly onSkip: "cascade" | "continue";
}

/** A map over the first of the nodes that it comes after. */
interface RandomMap extends Common {
  readonly kind: "map";
  readonly concurrency: number | undefined;
}

/** A kind of node is generated, built and foreseen here, and nowhere else. */
export type RandomNode = RandomStep | RandomMap;

const mostly = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: other });

function randomNode(index: number): fc.Arbitrary<RandomNode> {
  const after =
    index === 0
      ? fc.constant([])
      : fc.uniqueArray(fc.nat({ max: index - 1 }), { minLength: 0, maxLength: 4 });
  const step: fc.Arbitrary<RandomNode> = fc.record({
    kind: fc.constant("step" as const),
    after,
    failures: mostly(0, fc.nat(3)),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    permanent: mostly(false, fc.constant(true)),
    onExhausted: fc.constantFrom("fail", "cascade", "continue"),
    when: mostly<boolean | undefined>(undefined, fc.boolean()),
    onSkip: fc.constantFrom("cascade", "continue"),
  });
  if (index === 0) {
    return step;
  }
  const map: fc.Arbitrary<RandomNode> = fc.record({
    kind: fc.constant("map" as const),
    after: fc.uniqueArray(fc.nat({ max: index - 1 }), { minLength: 1, maxLength: 3 }),
    concurrency: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  });
  return fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: map });
}

/** Graphs of 1 to 12 nodes. */
export const randomGraph: fc.Arbitrary<RandomNode[]> = fc
  .integer({ min: 1, max: 12 })
  .chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => randomNode(index))));

const nameOf = (index: number): string => `t${index}`;

function isFatal({ failures, maxAttempts, permanent }: RandomStep): boolean {
  return failures >= maxAttempts || (permanent && failures > 0);
}

/** Notes what the functions of a graph see that they must not. */
export class GraphWatch {
  readonly broken: string[] = [];
  readonly #graph: readonly RandomNode[];
  readonly #tries = new Map<string, number>();
  readonly #done = new Set<string>();

  constructor(graph: readonly RandomNode[]) {
    this.#graph = graph;
  }

  /** A try begins; returns how many that is. */
  begin(runId: string, index: number, item = -1): number {
    const key = `${runId}/${index}/${item}`;
    const attempt = (this.#tries.get(key) ?? 0) + 1;
    this.#tries.set(key, attempt);
    if (this.#done.has(key)) {
      this.broken.push(`${key} began again after its end`);
    }
    const node = this.#graph[index];
    const most = node?.kind === "step" ? node.maxAttempts : 1;
    if (attempt > most) {
      this.broken.push(`${key} began ${attempt} times; ${most} are allowed`);
    }
    return attempt;
  }

  /** What the task was given must be the outputs of exactly those that completed. */
  given(index: number, names: readonly string[]): void {
    const { tasks } = decide(this.#graph);
    const needed = (this.#graph[index]?.after ?? [])
      .map(nameOf)
      .filter((name) => tasks[name] === "completed");
    if (JSON.stringify(needed.toSorted()) !== JSON.stringify(names.toSorted())) {
      this.broken.push(`${nameOf(index)} was given ${names.join()} instead of ${needed.join()}`);
    }
  }

  end(runId: string, index: number, item = -1): void {
    this.#done.add(`${runId}/${index}/${item}`);
  }
}

interface Context {
  readonly runId: string;
  readonly index?: number | undefined;
}

/** The builder without its types, for workflows made in a loop. */
interface LooseBuilder extends AnyWorkflow {
  step(name: string, ...rest: unknown[]): LooseBuilder;
  map(name: string, ...rest: unknown[]): LooseBuilder;
}

/** The graph as a workflow whose functions fail as it says. */
export function buildGraph(name: string, graph: readonly RandomNode[], watch: GraphWatch): AnyWorkflow {
  const addStep = (built: LooseBuilder, node: RandomStep, index: number): LooseBuilder => {
    const options = {
      after: node.after.map(nameOf),
      maxAttempts: node.maxAttempts,
      retry: { baseMs: 0 },
      onExhausted: node.onExhausted,
      ...(node.when !== undefined && { when: () => node.when, onSkip: node.onSkip }),
    };
    return built.step(nameOf(index), options, async (input: object, ctx: Context) => {
      const attempt = watch.begin(ctx.runId, index);
      watch.given(
        index,
        Object.keys(input).filter((key) => key !== "run"),
      );
      await new Promise(setImmediate);
      if (attempt <= node.failures) {
        throw node.permanent ? new NonRetryableError("for good") : new Error("again");
      }
      watch.end(ctx.runId, index);
      return Array.from({ length: index % 4 }, (_, element) => element);
    });
  };
  const addMap = (built: LooseBuilder, { after, concurrency }: RandomMap, index: number): LooseBuilder => {
    const [over = 0, ...others] = after;
    const options = {
      over: nameOf(over),
      after: others.map(nameOf),
      ...(concurrency !== undefined && { concurrency }),
    };
    return built.map(nameOf(index), options, async (_: unknown, ctx: Context) => {
      watch.begin(ctx.runId, index, ctx.index);
      await new Promise(setImmediate);
      watch.end(ctx.runId, index, ctx.index);
      return ctx.index;
    });
  };
  return graph.reduce(
    (built, node, index) => (node.kind === "map" ? addMap(built, node, index) : addStep(built, node, index)),
    workflow(name) as unknown as LooseBuilder,
  );
}

export interface Foreseen {
  readonly status: "completed" | "failed";
  /** The final status of every task; empty for a run that fails. */
  readonly tasks: Readonly<Record<string, string>>;
}

/** How a run of the graph must end. */
export function foresee(graph: readonly RandomNode[]): Foreseen {
  const { tasks, fails } = decide(graph);
  // What is cancelled when a run fails depends on who is faster.
  return fails ? { status: "failed", tasks: {} } : { status: "completed", tasks };
}

/** How each task ends that is not cut off, and whether one of them fails the run. */
function decide(graph: readonly RandomNode[]): { tasks: Record<string, string>; fails: boolean } {
  const tasks: Record<string, string> = {};
  const cascades = new Set<number>();
  let fails = false;
  for (const [index, node] of graph.entries()) {
    const step = node.kind === "step" ? node : undefined;
    if (node.after.some((before) => cascades.has(before)) || step?.when === false) {
      tasks[nameOf(index)] = "skipped";
      if ((step?.when === undefined ? "cascade" : step.onSkip) === "cascade") {
        cascades.add(index);
      }
    } else if (step && isFatal(step)) {
      tasks[nameOf(index)] = "failed";
      fails ||= step.onExhausted === "fail";
      if (step.onExhausted !== "continue") {
        cascades.add(index);
      }
    } else {
      tasks[nameOf(index)] = "completed";
    }
  }
  return { tasks, fails };
}
