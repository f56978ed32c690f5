import { randomFrom } from "../harness/random.ts";
import type { Trace, TraceTask } from "./trace.ts";

/** Runs of each workflow that is repeated. */
const REPEATS = 5;

/** A graph without times. */
interface Sketch {
  readonly app: string;
  readonly tasks: readonly { readonly type: string; readonly after: readonly number[] }[];
  /** Standard deviation of the logarithm: of one task's runs, of the tasks of a kind, and of a kind's runs in all. */
  readonly noise: { readonly run: number; readonly task: number; readonly trace: number };
  readonly repeats: number;
}

/**
 * Workflows of several families, the same for the same seed: wide fan-outs, parallel pipelines, layers, mosaics, and
 * analyses with some fifty kinds of task for each of many samples. The times of a kind are log-normal around a middle of
 * its own; some workflows are repeated.
 */
export function generateTraces(seed: number): Trace[] {
  const random = randomFrom(seed);
  const sketches: Sketch[] = [
    fanOut("swarm", 40),
    fanOut("search", 90),
    pipelines("lanes", { lanes: 7, length: 6 }),
    pipelines("genome", { lanes: 20, length: 4 }),
    layered("layers", random),
    layered("mesh", random),
    mosaic("mosaic", 16),
    mosaic("sky", 30),
    ...[6, 8, 10, 14].map((samples, index) => analysis(`analysis${index % 2}`, { samples, random })),
  ];
  const middles = new Map<string, number>();
  return sketches.flatMap((sketch, index) => {
    const name = `${sketch.app}-${sketch.tasks.length}`;
    const own = sketch.tasks.map(() => normal(random) * sketch.noise.task);
    return Array.from({ length: sketch.repeats }, (_, repeat) => ({
      name: sketch.repeats > 1 ? `${name}-00${repeat + 1}` : `${name}-${index}x`,
      tasks: withTimes(sketch, { own, middles, random }),
    }));
  });
}

function withTimes(
  { app, tasks, noise }: Sketch,
  from: { own: readonly number[]; middles: Map<string, number>; random: () => number },
): TraceTask[] {
  const drift = new Map<string, number>();
  return tasks.map(({ type, after }, index) => {
    const kind = `${app.replace(/\d$/, "")}.${type}`;
    const middle = from.middles.get(kind) ?? Math.log(20) + 1.4 * normal(from.random);
    from.middles.set(kind, middle);
    const shared = drift.get(kind) ?? noise.trace * normal(from.random);
    drift.set(kind, shared);
    const log = middle + shared + (from.own[index] ?? 0) + noise.run * normal(from.random);
    return {
      id: `n${index}`,
      type: kind,
      dependsOn: after.map((before) => `n${before}`),
      runtimeSec: Math.round(1000 * Math.exp(log)) / 1000,
    };
  });
}

/** One task, many behind it, and two that wait for all of them. */
function fanOut(app: string, width: number): Sketch {
  const many = Array.from({ length: width }, () => ({ type: "work", after: [0] }));
  const all = many.map((_, index) => index + 1);
  return {
    app,
    tasks: [
      { type: "split", after: [] },
      ...many,
      { type: "join", after: all },
      { type: "report", after: all },
    ],
    noise: { run: 0.15, task: 0.3, trace: 0.1 },
    repeats: REPEATS,
  };
}

/** Chains side by side, of different lengths, that meet at the end. */
function pipelines(app: string, { lanes, length }: { lanes: number; length: number }): Sketch {
  const tasks: { type: string; after: number[] }[] = [{ type: "split", after: [] }];
  const ends: number[] = [];
  for (let lane = 0; lane < lanes; lane++) {
    for (let stage = 0; stage < length + (lane % 3); stage++) {
      tasks.push({ type: `stage${stage}`, after: [stage === 0 ? 0 : tasks.length - 1] });
    }
    ends.push(tasks.length - 1);
  }
  tasks.push({ type: "merge", after: ends }, { type: "index", after: [tasks.length] });
  return { app, tasks, noise: { run: 0.2, task: 0.4, trace: 0.2 }, repeats: REPEATS };
}

/** Layers of ten to twenty tasks, each after one to three of the layer before. */
function layered(app: string, random: () => number): Sketch {
  const tasks: { type: string; after: number[] }[] = [];
  let before: number[] = [];
  for (let layer = 0; layer < 8; layer++) {
    const next: number[] = [];
    for (let at = 0; at < 10 + Math.floor(random() * 10); at++) {
      const count = before.length === 0 ? 0 : 1 + Math.floor(random() * 3);
      const after = Array.from({ length: count }, () => before[Math.floor(random() * before.length)] ?? 0);
      tasks.push({ type: `kind${layer}_${Math.floor(random() * 3)}`, after: [...new Set(after)] });
      next.push(tasks.length - 1);
    }
    before = next;
  }
  return { app, tasks, noise: { run: 0.3, task: 0.2, trace: 0.2 }, repeats: 2 };
}

/** Images that are projected, fitted in pairs, corrected once all fits are there, and put together. */
function mosaic(app: string, images: number): Sketch {
  const tasks: { type: string; after: number[] }[] = [];
  const add = (type: string, after: number[]): number => tasks.push({ type, after }) - 1;
  const projected = Array.from({ length: images }, () => add("project", []));
  const fits = projected.flatMap((image, index) =>
    [1, 2, 5].flatMap((step) =>
      index + step < images ? [add("fit", [image, projected[index + step] as number])] : [],
    ),
  );
  const model = add("model", [add("collect", fits)]);
  const corrected = projected.map((image) => add("correct", [image, model]));
  add("view", [add("put_together", [add("table", corrected), ...corrected])]);
  return { app, tasks, noise: { run: 0.3, task: 0.4, trace: 0.2 }, repeats: 2 };
}

/** For each sample a dozen stages with side branches, joined in groups; some fifty kinds in all. */
function analysis(app: string, { samples, random }: { samples: number; random: () => number }): Sketch {
  const tasks: { type: string; after: number[] }[] = [];
  const add = (type: string, after: number[]): number => tasks.push({ type, after }) - 1;
  const prepared = ["sheet", "genome", "index", "sizes"].map((type) => add(type, []));
  const reports: number[] = [];
  const ends = Array.from({ length: samples }, () => {
    let end = add("trim", [prepared[0] as number]);
    reports.push(add("quality", [prepared[0] as number]));
    for (let stage = 0; stage < 12; stage++) {
      end = add(`stage${stage}`, stage === 2 ? [end, prepared[2] as number] : [end]);
      if (stage % 2 === 1) {
        reports.push(add(`statistics${stage}`, [end]), add(`flags${stage}`, [end]));
      }
      if (stage % 4 === 3 && random() < 0.9) {
        reports.push(add(`plot${stage}`, [add(`track${stage}`, [end, prepared[3] as number])]));
      }
    }
    return end;
  });
  const consensus = add("consensus", ends);
  for (const type of ["annotate", "count", "differences", "browser"]) {
    reports.push(add(type, [consensus]));
  }
  add("report", reports);
  return { app, tasks, noise: { run: 0.3, task: 0.3, trace: 0.3 }, repeats: 1 };
}

/** Box and Muller, 1958. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
