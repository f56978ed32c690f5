import type { Figures } from "./measure.ts";

/** The medians of one system over all rounds. */
export interface SystemFigures {
  readonly name: string;
  readonly version: string;
  readonly runsPerSecond: number;
  readonly p50Ms: number;
}

export interface Comparison {
  readonly systems: readonly SystemFigures[];
  /** goalpost's figure over the best one of the others; null if there are not both. */
  readonly ratios: { readonly throughput: number | null; readonly latency: number | null };
}

export const OURS = "goalpost";

export function summarize(name: string, version: string, rounds: readonly Figures[]): SystemFigures {
  return {
    name,
    version,
    runsPerSecond: Math.round(median(rounds.map((round) => round.runsPerSecond))),
    p50Ms: Number(median(rounds.map((round) => median(round.latenciesMs))).toFixed(2)),
  };
}

/** Throughput against the fastest of the others, latency against the lowest of the others. */
export function compare(systems: readonly SystemFigures[]): Comparison {
  const ours = systems.find((system) => system.name === OURS);
  const others = systems.filter((system) => system !== ours);
  if (!ours || others.length === 0) {
    return { systems, ratios: { throughput: null, latency: null } };
  }
  const throughput = ours.runsPerSecond / Math.max(...others.map((other) => other.runsPerSecond));
  const latency = ours.p50Ms / Math.min(...others.map((other) => other.p50Ms));
  return { systems, ratios: { throughput: round(throughput), latency: round(latency) } };
}

export function toTable({ systems, ratios }: Comparison): string {
  const lines = systems.map(
    ({ name, version, runsPerSecond, p50Ms }) =>
      `${name.padEnd(16)} ${version.padEnd(8)} ${String(runsPerSecond).padStart(7)} ${p50Ms.toFixed(2).padStart(9)}`,
  );
  return [
    `${"system".padEnd(16)} ${"version".padEnd(8)} ${"runs/s".padStart(7)} ${"p50 ms".padStart(9)}`,
    ...lines,
    `${OURS} against the best of the others: throughput ${ratios.throughput ?? "–"} ×, latency ${ratios.latency ?? "–"} ×`,
  ].join("\n");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Number(value.toFixed(3));
}
