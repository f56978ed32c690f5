import { type Estimate, type EstimateKey, type Estimates, NO_ESTIMATES } from "goalpost";
import { shapeOf, stepOf, type Trace } from "./trace.ts";

/** Recorded times may be 0: nothing takes less than this. */
const LEAST_MS = 1;
const QUANTILES = 20;
/** How many samples of its kind a task's own history weighs as much as: at least, and at most. */
const WEIGHTS = { least: 1, most: 50 };

/** Natural logarithms of run times in milliseconds. */
type Logs = number[];

/**
 * What the given traces teach of another: means of log run time by kind, and by task where a trace repeats the same
 * workflow, the one drawn to the other by how much they tell: (n × mean of the task + k × mean of the kind) / (n + k)
 * with k the variance within tasks over that between them.
 * @param shape the workflow that the estimates are for: see {@link shapeOf}
 */
export function learnFrom(traces: readonly Trace[], shape: string): Estimates {
  const kinds = new Map<string, Logs>();
  const tasks = new Map<string, { readonly kind: string; readonly logs: Logs }>();
  for (const trace of traces) {
    for (const [index, { type, runtimeSec }] of trace.tasks.entries()) {
      const log = Math.log(Math.max(LEAST_MS, runtimeSec * 1000));
      const kind = stepOf(type);
      grow(kinds, kind, () => []).push(log);
      if (shapeOf(trace) === shape) {
        grow(tasks, `t${index}`, () => ({ kind, logs: [] as Logs })).logs.push(log);
      }
    }
  }
  const history = [...tasks.values()];
  const spreads = new Map([...kinds].map(([kind, logs]) => [kind, spreadOf({ kind, logs }, history)]));
  return {
    snapshotId: `${shape} from ${traces.length}`,
    of({ step, task }: EstimateKey): Estimate {
      const kind = kinds.get(step);
      const spread = spreads.get(step);
      if (!kind || !spread) {
        return NO_ESTIMATES.of({ step });
      }
      const own = task === undefined ? undefined : tasks.get(task);
      const logs = own?.kind === step ? own.logs : [];
      const weight = spread.weight;
      return logs.length > 0
        ? toEstimate(spread.within, {
            center: (logs.length * mean(logs) + weight * mean(kind)) / (logs.length + weight),
            samples: kind.length,
            level: "step",
          })
        : toEstimate(spread.all, { center: mean(kind), samples: kind.length, level: "kind" });
    },
  };
}

interface Spread {
  /** How many samples of the kind a task's own history weighs as much as. */
  readonly weight: number;
  /** How far the runs of one task are from their mean. */
  readonly within: Logs;
  /** How far the tasks of the kind are from their mean. */
  readonly all: Logs;
}

function toEstimate(
  residuals: Logs,
  { center, ...rest }: { center: number; samples: number; level: Estimate["level"] },
): Estimate {
  const times = residuals.map((residual) => Math.exp(center + residual)).sort((one, other) => one - other);
  return {
    ...NO_ESTIMATES.of({ step: "" }),
    ...rest,
    medianMs: Math.exp(center),
    meanMs: mean(times),
    sigma: Math.sqrt(mean(residuals.map((residual) => residual ** 2))),
    quantilesMs: Array.from(
      { length: QUANTILES },
      (_, index) => times[Math.floor(((index + 0.5) / QUANTILES) * times.length)] ?? Math.exp(center),
    ),
  };
}

/** The weight is the variance within the tasks of a kind over that between them (method of moments). */
function spreadOf(
  { kind, logs }: { readonly kind: string; readonly logs: Logs },
  tasks: readonly { readonly kind: string; readonly logs: Logs }[],
): Spread {
  const all = logs.map((log) => log - mean(logs));
  const groups = tasks.filter((task) => task.kind === kind && task.logs.length > 1).map((task) => task.logs);
  if (groups.length === 0) {
    return { weight: WEIGHTS.least, within: all, all };
  }
  const inside = mean(groups.map(variance));
  const runs = mean(groups.map(({ length }) => length));
  const between = Math.max(1e-12, variance(groups.map(mean)) - inside / runs);
  const within = groups.flatMap((group) => {
    const scale = Math.sqrt(group.length / (group.length - 1));
    return group.map((log) => (log - mean(group)) * scale);
  });
  const weight = groups.length < 2 ? WEIGHTS.least : inside / between;
  return { weight: Math.min(WEIGHTS.most, Math.max(WEIGHTS.least, weight)), within, all };
}

function grow<T>(map: Map<string, T>, key: string, make: () => T): T {
  const there = map.get(key) ?? make();
  map.set(key, there);
  return there;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.length < 2
    ? 0
    : values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}
