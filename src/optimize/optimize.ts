import type { Estimates } from "../core/estimates.ts";
import type { TaskGraph } from "../core/goal.ts";
import type { Decision, DispatchHint, Optimized, OptimizeOptions } from "../core/optimizer.ts";
import { type Candidate, hopPriorities, meanOf, type PlannedTasks, planTasks } from "./candidate.ts";
import { chooseLevel } from "./choose-level.ts";
import { chooseModels, slackOf, weighCascades } from "./choose-models.ts";
import {
  type Choice,
  chooseOrder,
  drawFor,
  knownShare,
  learnedOrders,
  orderDecision,
} from "./choose-order.ts";
import { editTasks } from "./edit-tasks.ts";
import { type KnownTimes, knownTimes, type TaskTime } from "./known-times.ts";
import { limitsOf } from "./limit-tasks.ts";
import { MAX_LISTED, type NormalForm, reduceEdges, toNormalForm } from "./normal-form.ts";
import { type RelaxedOrder, relaxOrder } from "./relax-order.ts";
import { searchOrder } from "./search-order.ts";
import { resolveSettings, type Settings } from "./settings.ts";
import { isLeaf } from "./task-facts.ts";
import { chooseHedges, weighFusion } from "./weigh-copies.ts";
import { toWorkGraph } from "./work-graph.ts";

/** A run is put behind others by its work, but by no more than a day: an estimate may be wrong. */
const MAX_RUN_KEY_DELAY_MS = 86_400_000;

/**
 * Decides how a graph is dispatched: which tasks and edges are needed, in which order ready tasks start, how long they
 * may take. Pure: the same graph, estimates and options have the same answer. Data dependencies stay as they are at
 * every level, and so does the order of tasks that declare to touch the same thing or do not declare what they touch.
 *
 * "basic" needs no estimates: identical tasks that touch nothing are merged, order that other order implies goes, the
 * longest way left in tasks comes first. "advanced" adds what past runs teach, as far as simulated runs get shorter by
 * it; "aggressive" searches, and starts second copies of idempotent tasks. An estimate that cannot be true is ignored,
 * with a decision that says so.
 */
export function optimize(graph: TaskGraph, estimates: Estimates, options: OptimizeOptions = {}): Optimized {
  const settings = resolveSettings(options);
  const { level, decisions } = chooseLevel(settings.level, settings.past);
  const normal = toNormalForm(graph.tasks, settings);
  const planned = planTasks(normal.tasks, settings);
  const basic: Candidate = {
    ...planned,
    name: "the longest way left in tasks",
    priorities: hopPriorities(planned),
  };
  if (level === "basic" || planned.graph.order.length < planned.graph.size) {
    const graph = { ...graphOf(basic, normal, new Map()), runKeyDelayMs: 0, level: "basic" as const };
    return { graph, decisions: [...decisions, ...normal.decisions] };
  }
  const learned = learn({ basic, known: knownTimes(planned.tree, estimates) }, { ...settings, level });
  return {
    graph: {
      ...graphOf(learned.candidate, normal, learned.extras),
      runKeyDelayMs: learned.runKeyDelayMs,
      level: learned.used ? level : "basic",
    },
    decisions: [...decisions, ...normal.decisions, ...learned.decisions],
  };
}

/** What a hint holds besides the rank. */
type Extras = ReadonlyMap<string, Omit<DispatchHint, "rank">>;

function graphOf(
  { tasks, tree, graph, priorities }: Candidate,
  { mergedInto }: NormalForm,
  extras: Extras,
): Omit<Optimized["graph"], "runKeyDelayMs" | "level"> {
  const hints = new Map<string, DispatchHint>();
  for (const [index, { spec }] of tree.tasks.entries()) {
    if (isLeaf(spec)) {
      const rank = priorities[graph.entryOf[index] as number] as number;
      hints.set(spec.id, { rank, ...extras.get(spec.id) });
    }
  }
  return { tasks, hints, mergedInto };
}

interface Learned {
  readonly candidate: Candidate;
  readonly extras: Extras;
  readonly runKeyDelayMs: number;
  readonly decisions: readonly Decision[];
  /** Whether anything of it was adopted. */
  readonly used: boolean;
}

function learn(
  { basic, known }: { readonly basic: Candidate; readonly known: KnownTimes },
  settings: Settings,
): Learned {
  const { times } = known;
  const draws = drawFor(basic, times, settings);
  const relaxed = relax(basic, settings);
  const graphs: PlannedTasks[] = relaxed ? [basic, relaxed.candidate] : [basic];
  const others = [
    ...(relaxed ? [relaxed.candidate] : []),
    ...graphs.flatMap((planned) => learnedOrders(planned, times)),
  ];
  const first = chooseOrder([basic, ...others], draws, settings);
  const share = knownShare(basic, times);
  const search = settings.level === "aggressive" ? searchOrder(first, draws, settings) : undefined;
  const choice = search?.choice ?? first;
  const models = chooseModels(choice.candidate, times, settings);
  const limits = limitsOf(choice.candidate.tree, times, settings);
  const hedges =
    settings.level === "aggressive"
      ? chooseHedges(choice.candidate, times, { draws, settings })
      : { hedgeAfterMs: new Map<string, number>(), decisions: [] };
  const key = runKey(basic, times, share);
  const decisions = [
    ...refusals(known),
    orderDecision(first, times, share),
    ...(search ? [search.decision] : []),
    ...(relaxed ? relaxDecisions(relaxed.order, choice, relaxed.candidate) : []),
    ...key.decisions,
    ...limits.decisions,
    ...models.decisions,
    ...hedges.decisions,
    ...(settings.level === "aggressive"
      ? [...weighFusion(choice.candidate, draws, settings), ...weighCascades(basic.tree, settings)]
      : []),
  ];
  const expected = times.map(({ meanMs }) => meanMs);
  const { slack, length } = slackOf(choice.candidate, expected);
  const extras = new Map<string, Omit<DispatchHint, "rank">>();
  for (const [index, { spec }] of choice.candidate.tree.tasks.entries()) {
    const model = models.models.get(spec.id);
    const hedgeAfterMs = hedges.hedgeAfterMs.get(spec.id);
    extras.set(spec.id, {
      ...limits.hints.get(spec.id),
      ...(model && { model }),
      ...(hedgeAfterMs !== undefined && { hedgeAfterMs }),
      ...(2 * (length - (slack[index] as number)) < length && { offCriticalPath: true }),
    });
  }
  const used = decisions.some(({ adopted }) => adopted);
  return { candidate: choice.candidate, extras, runKeyDelayMs: key.delayMs, decisions, used };
}

interface Relaxed {
  readonly order: RelaxedOrder;
  readonly candidate: Candidate;
}

function relax(basic: Candidate, settings: Settings): Relaxed | undefined {
  const order = relaxOrder(basic.tree, toWorkGraph(basic.tree), settings.stepInfo);
  if (order.dropped.length === 0) {
    return undefined;
  }
  const { tasks } = reduceEdges(editTasks(basic.tasks, { dependsOn: order.dependsOn }));
  const planned = planTasks(tasks, settings);
  const candidate = { ...planned, name: "the longest way left in tasks", priorities: hopPriorities(planned) };
  return { order, candidate };
}

function relaxDecisions(
  { dropped, added }: RelaxedOrder,
  { candidate }: Choice,
  relaxed: Candidate,
): Decision[] {
  const adopted = candidate.tasks === relaxed.tasks;
  const list = (
    kind: "drop_edge" | "conflict_edge",
    edges: RelaxedOrder["dropped"],
    say: (from: string, to: string) => Pick<Decision, "change" | "reason">,
  ): Decision[] => [
    ...edges
      .slice(0, MAX_LISTED)
      .map(({ from, to }): Decision => ({ kind, tasks: [from, to], ...say(from, to), samples: 0, adopted })),
    ...(edges.length > MAX_LISTED
      ? [
          {
            kind,
            tasks: [],
            change: `so it is with ${edges.length - MAX_LISTED} other edges`,
            reason: "for the same reason",
            samples: 0,
            adopted,
          },
        ]
      : []),
  ];
  return [
    ...list("drop_edge", dropped, (from, to) => ({
      change: `"${to}" does not wait for "${from}"`,
      reason: adopted
        ? "neither declares to write what the other touches, and simulated runs are shorter"
        : "they could run side by side, but simulated runs are not shorter by the margin",
    })),
    ...list("conflict_edge", added, (from, to) => ({
      change: `"${to}" waits for "${from}"`,
      reason: "one of them may touch what the other writes; the order held by way of an edge that is dropped",
    })),
  ];
}

/** Half of the expected work: a virtual deadline, by which short runs pass long ones without starving them. */
function runKey(
  { graph }: PlannedTasks,
  times: readonly TaskTime[],
  share: number,
): { readonly delayMs: number; readonly decisions: readonly Decision[] } {
  const workMs = graph.taskOf.reduce(
    (sum, task, node) => sum + (times[task]?.meanMs ?? 0) * (graph.shareOf[node] as number),
    0,
  );
  if (share === 0) {
    return { delayMs: 0, decisions: [] };
  }
  const delayMs = Math.min(MAX_RUN_KEY_DELAY_MS, workMs / 2);
  const decision: Decision = {
    kind: "run_key",
    tasks: [],
    change: `the run stands ${Math.round(delayMs)} ms behind its start in the order of runs`,
    reason: "half of its expected work: runs with little work pass those with much, and none waits for ever",
    samples: Math.round(meanOf(times.map(({ samples }) => samples))),
    adopted: true,
  };
  return { delayMs, decisions: [decision] };
}

/** One decision for every reason why estimates were not believed. */
function refusals({ refused }: KnownTimes): Decision[] {
  const byReason = new Map<string, string[]>();
  for (const { taskId, reason } of refused) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), taskId]);
  }
  return [...byReason].map(([reason, tasks]) => ({
    kind: "level",
    tasks: tasks.slice(0, MAX_LISTED),
    change: `the estimates of ${tasks.length} tasks are used`,
    reason,
    samples: 0,
    adopted: false,
  }));
}
