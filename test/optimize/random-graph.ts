import fc from "fast-check";
import type { Estimate, Estimates } from "../../src/core/estimates.ts";
import { NO_ESTIMATES } from "../../src/core/estimates.ts";
import type { Dependency, EdgeReason, TaskSpec } from "../../src/core/goal.ts";

interface Seed {
  readonly step: number;
  readonly after: readonly {
    readonly pick: number;
    readonly reason: EdgeReason;
    readonly optional: boolean;
  }[];
  readonly effects: { readonly reads: readonly string[]; readonly writes: readonly string[] } | undefined;
  readonly ref: boolean;
  readonly inside: boolean;
}

const names = fc.subarray(["a", "b", "c"]);

/** Tasks with edges of every reason, references, effects and, some of them, a compound task around. */
export const anyGraph: fc.Arbitrary<TaskSpec[]> = fc
  .array(
    fc.record<Seed>({
      step: fc.nat(2),
      after: fc.array(
        fc.record({
          pick: fc.nat(1000),
          reason: fc.constantFrom<EdgeReason>("order", "order", "data", "conflict"),
          optional: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
        }),
        { maxLength: 4 },
      ),
      effects: fc.oneof(
        { weight: 3, arbitrary: fc.record({ reads: names, writes: names }) },
        { weight: 2, arbitrary: fc.constant({ reads: [], writes: [] }) },
        fc.constant(undefined),
      ),
      ref: fc.boolean(),
      inside: fc.boolean(),
    }),
    { minLength: 1, maxLength: 16 },
  )
  .map(toTasks);

function toTasks(seeds: readonly Seed[]): TaskSpec[] {
  const tasks: TaskSpec[] = [];
  const subtasks: TaskSpec[] = [];
  for (const [index, { step, after, effects, ref, inside }] of seeds.entries()) {
    const dependsOn = new Map<string, Dependency>();
    for (const { pick, reason, optional } of index > 0 ? after : []) {
      const id = `t${pick % index}`;
      dependsOn.set(id, { id, reason, ...(optional && { optional }) });
    }
    const first = [...dependsOn.keys()][0];
    const task: TaskSpec = {
      id: `t${index}`,
      description: "",
      step: `s${step}`,
      args: ref && first !== undefined ? { from: { $ref: first } } : {},
      ...(dependsOn.size > 0 && { dependsOn: [...dependsOn.values()] }),
      ...(effects && { effects }),
    };
    (inside ? subtasks : tasks).push(task);
  }
  return subtasks.length > 0 ? [...tasks, { id: "around", description: "", subtasks }] : tasks;
}

/** Estimates by step; what is not given is unknown. */
export function estimatesOf(bySteps: Readonly<Record<string, Partial<Estimate>>>): Estimates {
  return {
    snapshotId: "test",
    of: ({ step }) => ({ ...NO_ESTIMATES.of({ step }), ...bySteps[step] }),
  };
}

/** An estimate of work that takes about so long. */
export function about(ms: number, samples = 200): Partial<Estimate> {
  return { samples, medianMs: ms, meanMs: ms, sigma: 0.1, level: "kind" };
}
