import type { Queryable } from "../core/driver.ts";
import type { NodeKind, NodeSpec } from "../core/shape.ts";

/** A node as a worker knows it. */
export interface DefinitionNode {
  readonly position: number;
  readonly name: string;
  readonly kind: NodeKind;
  readonly spec: NodeSpec;
  /** Positions of the nodes whose outputs it is given. */
  readonly inputs: readonly number[];
  /** Of planned runs: positions of the joins around it, outermost first. */
  readonly within: readonly number[];
  /** The suffix of the lane that its tasks wait in; null for the run's own. */
  readonly lane: string | null;
  /** Greater: more urgent. */
  readonly rank: number;
}

/** Definitions kept in memory at most; planned runs have one each. */
const MAX_CACHED = 500;

interface Edge {
  readonly src: number;
  readonly dst: number;
}

interface DefinitionParts {
  readonly id: number;
  readonly name: string;
  readonly hash: string;
  readonly nodes: readonly DefinitionNode[];
  readonly edges: readonly Edge[];
}

/** The nodes and edges of a definition, as they were when it was loaded: it can grow, never change. */
export class RunDefinition {
  readonly id: number;
  readonly name: string;
  readonly hash: string;
  readonly #nodes: ReadonlyMap<number, DefinitionNode>;
  readonly #targets: ReadonlyMap<number, readonly Edge[]>;
  readonly #edges: readonly Edge[];
  #positions: ReadonlyMap<string, number> | undefined;

  constructor(parts: DefinitionParts) {
    this.id = parts.id;
    this.name = parts.name;
    this.hash = parts.hash;
    this.#nodes = new Map(parts.nodes.map((node) => [node.position, node]));
    this.#edges = parts.edges;
    this.#targets = groupBy(parts.edges, (edge) => edge.src);
  }

  nodes(): readonly DefinitionNode[] {
    return [...this.#nodes.values()];
  }

  /** The positions of the nodes that the node at `position` waits for. */
  sourcesOf(position: number): readonly number[] {
    return this.#edges.filter((edge) => edge.dst === position).map((edge) => edge.src);
  }

  has(position: number): boolean {
    return this.#nodes.has(position);
  }

  /** The names of all nodes that are loaded, but for those that a later plan has replaced. */
  names(): Set<string> {
    return new Set([...this.#nodes.values()].map((node) => node.name).filter((name) => !name.includes("@")));
  }

  /** The position of the node with that name; undefined if there is none. */
  find(name: string): number | undefined {
    this.#positions ??= new Map([...this.#nodes.values()].map((node) => [node.name, node.position]));
    return this.#positions.get(name);
  }

  /** @throws if the position is not loaded */
  node(position: number): DefinitionNode {
    const node = this.#nodes.get(position);
    if (!node) {
      throw new Error(`definition ${this.id} has no node ${position}`);
    }
    return node;
  }

  /** The nodes whose outputs the node at `position` is given, those behind its gates included. */
  inputsOf(position: number): readonly DefinitionNode[] {
    return this.node(position).inputs.map((input) => this.node(input));
  }

  /** The join or end node that a plan node's tasks must lead into. */
  joinOf(position: number): DefinitionNode | undefined {
    return (this.#targets.get(position) ?? [])
      .map((edge) => this.node(edge.dst))
      .find((node) => node.kind === "join" || node.kind === "end");
  }
}

type StepRow = {
  definition_id: string;
  position: number;
  name: string;
  kind: NodeKind;
  spec: string;
  inputs: number[];
  within: number[] | null;
  lane: string | null;
  rank: number;
};
type EdgeRow = { definition_id: string; src: number; dst: number };

const LOAD_DEFINITIONS =
  "select id::text as id, name, hash from goalpost.definitions where id = any($1::bigint[])";
const LOAD_STEPS =
  "select definition_id::text, position, name, kind, spec::text, inputs, within, lane, rank from goalpost.steps where definition_id = any($1::bigint[])";
const LOAD_EDGES =
  "select definition_id::text, src, dst from goalpost.edges where definition_id = any($1::bigint[])";

/** Loads definitions when a task needs them, and again when a planned run has grown. */
export class DefinitionCache {
  readonly #db: Queryable;
  readonly #known = new Map<number, RunDefinition>();

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** The definition if it is in memory. */
  get(id: number): RunDefinition | undefined {
    return this.#known.get(id);
  }

  /** The definition if the node is in memory. */
  peek(id: number, position: number): RunDefinition | undefined {
    const definition = this.#known.get(id);
    return definition?.has(position) ? definition : undefined;
  }

  /** The definition as it is now. @throws if it is gone */
  async reload(id: number): Promise<RunDefinition> {
    await this.#read([id]);
    const definition = this.#known.get(id);
    if (!definition) {
      throw new Error(`definition ${id} is gone`);
    }
    return definition;
  }

  /** Loads what the tasks need and is not in memory. */
  async load(tasks: readonly { definitionId: number; position: number }[]): Promise<void> {
    const missing = new Set(
      tasks.filter((task) => !this.peek(task.definitionId, task.position)).map((task) => task.definitionId),
    );
    for (const { definitionId } of tasks) {
      this.#touch(definitionId);
    }
    if (missing.size > 0) {
      await this.#read([...missing]);
    }
  }

  async #read(missing: readonly number[]): Promise<void> {
    const ids = [missing.map(String)];
    const definitions = await this.#db.query<{ id: string; name: string; hash: string }>(
      LOAD_DEFINITIONS,
      ids,
    );
    const steps = await this.#db.query<StepRow>(LOAD_STEPS, ids);
    const edges = await this.#db.query<EdgeRow>(LOAD_EDGES, ids);
    const stepsOf = groupBy(steps, (row) => row.definition_id);
    const edgesOf = groupBy(edges, (row) => row.definition_id);
    for (const row of definitions) {
      const definition = new RunDefinition({
        id: Number(row.id),
        name: row.name,
        hash: row.hash,
        nodes: (stepsOf.get(row.id) ?? []).map(({ spec, within, definition_id, ...node }) => ({
          ...node,
          spec: JSON.parse(spec) as NodeSpec,
          within: within ?? [],
        })),
        edges: edgesOf.get(row.id) ?? [],
      });
      this.#known.delete(definition.id);
      this.#known.set(definition.id, definition);
    }
    this.#forgetOldest();
  }

  /** What is used last is forgotten last. */
  #touch(id: number): void {
    const definition = this.#known.get(id);
    if (definition) {
      this.#known.delete(id);
      this.#known.set(id, definition);
    }
  }

  #forgetOldest(): void {
    for (const id of this.#known.keys()) {
      if (this.#known.size <= MAX_CACHED) {
        return;
      }
      this.#known.delete(id);
    }
  }
}

/** Map.groupBy, which Node 20 lacks. */
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) {
      group.push(item);
    } else {
      groups.set(key, [item]);
    }
  }
  return groups;
}
