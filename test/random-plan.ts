import fc from "fast-check";
import type { TaskSpec } from "../src/core/goal.ts";

/** Tasks, some with subtasks, that depend on tasks before them in any place: valid, and often nested. */
export const anyTree: fc.Arbitrary<TaskSpec[]> = fc
  .array(
    fc.record({
      up: fc.nat(2),
      after: fc.array(fc.nat(1000), { maxLength: 3 }),
      decompose: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map(toTree);

interface Draft {
  readonly id: string;
  readonly subtasks: Draft[];
  readonly dependsOn: string[];
  readonly decompose: boolean;
  readonly above: readonly Draft[];
}

function toTree(seeds: readonly { up: number; after: readonly number[]; decompose: boolean }[]): TaskSpec[] {
  const top: Draft[] = [];
  const all: Draft[] = [];
  let path: Draft[] = [];
  for (const [index, { up, after, decompose }] of seeds.entries()) {
    path = path.slice(0, Math.max(0, Math.min(4, path.length) - up));
    const made: Draft = { id: `t${index}`, subtasks: [], dependsOn: [], decompose, above: path };
    // Only on tasks that are complete before this one begins: those outside what surrounds it.
    const before = all.filter((other) => !path.includes(other));
    for (const pick of before.length > 0 ? after : []) {
      const target = before[pick % before.length] as Draft;
      if (!made.dependsOn.includes(target.id)) {
        made.dependsOn.push(target.id);
      }
    }
    (path.at(-1)?.subtasks ?? top).push(made);
    all.push(made);
    path = [...path, made];
  }
  return top.map(toSpec);
}

function toSpec({ id, subtasks, dependsOn, decompose }: Draft): TaskSpec {
  return {
    id,
    description: id,
    ...(dependsOn.length > 0 && { dependsOn }),
    ...(subtasks.length > 0 ? { subtasks: subtasks.map(toSpec) } : decompose && { decompose }),
  };
}
