import type { Json } from "../core/json.ts";
import type { DefinitionCache, DefinitionNode, RunDefinition } from "./definitions.ts";
import { type ClaimedTask, type Reply, type RunInfo, valueKey } from "./protocol.ts";

/** What a task is carried out with. */
export interface PreparedTask {
  readonly definition: RunDefinition;
  readonly node: DefinitionNode;
  readonly run: RunInfo;
  /** The outputs of its dependencies by name. */
  readonly inputs: Readonly<Record<string, Json>>;
}

/**
 * Gives every task of a hand-out what it reads, before any of them begins. Steps may change what they are given: the
 * second reader of a value gets a copy of it. Tasks whose definition or run is gone are left out.
 */
export function prepareTasks(
  reply: Reply,
  definitions: DefinitionCache,
): ReadonlyMap<ClaimedTask, PreparedTask> {
  const given = new Set<string>();
  const give = <T>(key: string, value: T): T => {
    if (given.has(key)) {
      return structuredClone(value);
    }
    given.add(key);
    return value;
  };
  const prepared = new Map<ClaimedTask, PreparedTask>();
  for (const task of reply.tasks) {
    const definition = definitions.peek(task.definitionId, task.position);
    const run = reply.runs.get(task.runId);
    if (definition && run) {
      const inputs: Record<string, Json> = {};
      for (const source of definition.inputsOf(task.position)) {
        const key = valueKey(task.runId, source.position);
        const value = reply.values.get(key);
        if (value !== undefined) {
          inputs[source.name] = give(key, value);
        }
      }
      prepared.set(task, {
        definition,
        node: definition.node(task.position),
        run: { ...run, input: give(task.runId, run.input) },
        inputs,
      });
    }
  }
  return prepared;
}
