import type { Json } from "../core/json.ts";
import type { CompactPlan } from "./compact-plan.ts";
import type { PreparedTask } from "./prepare-tasks.ts";
import type { ClaimedTask, StartRow } from "./protocol.ts";

/** About this much text is kept in a journal; a run with more of it gets rows. */
const MAX_JOURNAL = 2000;

const NOTHING = {};

/**
 * A compact run as its owner knows it: what is stored as completed, and what may be carried out because of that. The
 * database comes to the same by the journal: see migrations/functions/compact_tasks.sql.
 */
export class CompactRun {
  readonly id: string;
  readonly plan: CompactPlan;
  readonly inputText: string;
  /** The call that stored it. */
  seq = 0;
  /** Tasks of it that this worker has not settled. */
  held = 0;
  /** Its tasks are rows now, or will be by the next call: what else happens goes the usual way. */
  expanded = false;
  readonly #left: Map<number, number>;
  readonly #outputs = new Map<number, string>();
  #size = 0;

  constructor(row: StartRow, plan: CompactPlan) {
    this.id = row.id;
    this.plan = plan;
    this.inputText = row.input;
    this.#left = new Map(plan.waitsFor);
  }

  get isOver(): boolean {
    return this.#outputs.size === this.plan.tasks;
  }

  /** Whether an output may go into the journal; counted if so. */
  takes(output: string): boolean {
    if (this.expanded || this.#size + output.length > MAX_JOURNAL) {
      return false;
    }
    this.#size += output.length;
    return true;
  }

  /** The run's output once these are completed, too; undefined if something is left. */
  outputWith(completed: readonly (readonly [number, string])[]): string | undefined {
    if (this.#outputs.size + completed.length < this.plan.tasks) {
      return undefined;
    }
    const latest = new Map(completed);
    const fields = this.plan.outputs.map(
      ({ name, position }) =>
        `${JSON.stringify(name)}:${latest.get(position) ?? this.#outputs.get(position)}`,
    );
    return `{${fields.join(",")}}`;
  }

  /** A completed task is stored. Returns the tasks that waited for nothing else. */
  keep(position: number, output: string): readonly number[] {
    this.#outputs.set(position, output);
    return (this.plan.leadsTo.get(position) ?? []).filter((target) => {
      const left = (this.#left.get(target) ?? 0) - 1;
      this.#left.set(target, left);
      return left === 0;
    });
  }

  /** A task that is this worker's now. */
  task(position: number): ClaimedTask {
    return {
      runId: this.id,
      position,
      item: -1,
      delivery: 1,
      failures: 0,
      definitionId: this.plan.definition.id,
      itemInput: null,
      checkpoints: NOTHING,
      waits: [],
      compact: true,
    };
  }

  /** What a task of it is carried out with; each has values of its own, because steps may change them. */
  prepare({ position }: ClaimedTask): PreparedTask {
    const { definition } = this.plan;
    const inputs: Record<string, Json> = {};
    for (const source of definition.inputsOf(position)) {
      const output = this.#outputs.get(source.position);
      if (output !== undefined) {
        inputs[source.name] = JSON.parse(output) as Json;
      }
    }
    const run = {
      id: this.id,
      input: JSON.parse(this.inputText) as Json,
      inputText: this.inputText,
      settings: null,
      workflow: definition.name,
      source: "static",
      extras: false,
    } as const;
    return { definition, node: definition.node(position), run, inputs };
  }
}
