import type { TaskSpec } from "goalpost";

/** The ids of the tasks that each task waits for. */
export type Waits = ReadonlyMap<string, readonly string[]>;

export function waitsOf(tasks: readonly TaskSpec[]): Waits {
  return new Map(
    tasks.map(({ id, dependsOn = [] }) => [
      id,
      dependsOn.map((one) => (typeof one === "string" ? one : one.id)),
    ]),
  );
}

/** Milliseconds if the tasks of each level wait for all of the level before (a barrier); list scheduling within. */
export function levelMakespan(waits: Waits, times: ReadonlyMap<string, number>, slots: number): number {
  const levels = new Map<string, number>();
  const groups: number[][] = [];
  for (const id of inOrder(waits)) {
    const level = Math.max(-1, ...(waits.get(id) ?? []).map((before) => levels.get(before) ?? 0)) + 1;
    levels.set(id, level);
    groups[level] = [...(groups[level] ?? []), times.get(id) ?? 0];
  }
  return groups.reduce((sum, group) => sum + listMakespan(group, slots), 0);
}

/** Milliseconds if the ready tasks are taken in batches of `slots`, and each batch waits for its slowest. */
export function batchMakespan(waits: Waits, times: ReadonlyMap<string, number>, slots: number): number {
  const left = new Map([...waits].map(([id, before]) => [id, before.length]));
  const followers = followersOf(waits);
  const ready = [...waits].flatMap(([id, before]) => (before.length === 0 ? [id] : []));
  let took = 0;
  while (ready.length > 0) {
    const batch = ready.splice(0, slots);
    took += Math.max(...batch.map((id) => times.get(id) ?? 0));
    for (const next of batch.flatMap((id) => followers.get(id) ?? [])) {
      const rest = (left.get(next) ?? 0) - 1;
      left.set(next, rest);
      if (rest === 0) {
        ready.push(next);
      }
    }
  }
  return took;
}

/** The longest way left in tasks, the task's own included. */
export function hopRanks(waits: Waits): Map<string, number> {
  const followers = followersOf(waits);
  const ranks = new Map<string, number>();
  for (const id of inOrder(waits).reverse()) {
    ranks.set(id, 1 + Math.max(0, ...(followers.get(id) ?? []).map((next) => ranks.get(next) ?? 0)));
  }
  return ranks;
}

/** The longest way left in milliseconds. */
export function timeRanks(waits: Waits, times: ReadonlyMap<string, number>): Map<string, number> {
  const followers = followersOf(waits);
  const ranks = new Map<string, number>();
  for (const id of inOrder(waits).reverse()) {
    const behind = Math.max(0, ...(followers.get(id) ?? []).map((next) => ranks.get(next) ?? 0));
    ranks.set(id, (times.get(id) ?? 0) + behind);
  }
  return ranks;
}

function listMakespan(times: readonly number[], slots: number): number {
  const free = new Array<number>(slots).fill(0);
  for (const time of times) {
    const soonest = free.indexOf(Math.min(...free));
    free[soonest] = (free[soonest] ?? 0) + time;
  }
  return Math.max(...free);
}

function followersOf(waits: Waits): Map<string, string[]> {
  const followers = new Map<string, string[]>();
  for (const [id, before] of waits) {
    for (const other of before) {
      followers.set(other, [...(followers.get(other) ?? []), id]);
    }
  }
  return followers;
}

/** Each id after those it waits for. */
export function inOrder(waits: Waits): string[] {
  const followers = followersOf(waits);
  const left = new Map([...waits].map(([id, before]) => [id, new Set(before).size]));
  const order = [...waits].flatMap(([id, before]) => (before.length === 0 ? [id] : []));
  for (let at = 0; at < order.length; at++) {
    for (const next of followers.get(order[at] ?? "") ?? []) {
      const rest = (left.get(next) ?? 0) - 1;
      left.set(next, rest);
      if (rest === 0) {
        order.push(next);
      }
    }
  }
  return order;
}
