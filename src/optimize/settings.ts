import type { OptimizeOptions } from "../core/optimizer.ts";

/** The options without gaps. What is no number of its kind counts as not given: a wrong option never stops a run. */
export type Settings = { readonly [Key in keyof OptimizeOptions]-?: NonNullable<OptimizeOptions[Key]> };

const MAX_SLOTS = 100_000;

export function resolveSettings(options: OptimizeOptions): Settings {
  return {
    level: options.level ?? "basic",
    slots: Math.max(1, Math.round(within(options.slots, { least: 1, most: MAX_SLOTS, otherwise: 10 }))),
    overheadMs: within(options.overheadMs, { least: 0, most: 3_600_000, otherwise: 5 }),
    seed: within(options.seed, {
      least: Number.MIN_SAFE_INTEGER,
      most: Number.MAX_SAFE_INTEGER,
      otherwise: 1,
    }),
    stepInfo: options.stepInfo ?? (() => undefined),
    models: options.models ?? (() => []),
    qualityFloor: within(options.qualityFloor, { least: 0, most: 1, otherwise: 0.9 }),
    mapWidth: options.mapWidth ?? (() => undefined),
    merge: options.merge ?? true,
    margin: within(options.margin, { least: 0, most: 1, otherwise: 0.01 }),
    past: options.past ?? [],
  };
}

function within(
  value: number | undefined,
  { least, most, otherwise }: { least: number; most: number; otherwise: number },
): number {
  return value !== undefined && value >= least && value <= most ? value : otherwise;
}
