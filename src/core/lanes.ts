import { GoalpostError } from "./errors.ts";
import { checkName } from "./names.ts";

/** The queue of distributed runs that name none. */
export const DEFAULT_QUEUE = "default";

/** The lane of a queue's tasks that require nothing. */
export function queueLane(queue: string): string {
  return `queue:${queue}`;
}

/** The lane that one worker alone serves. */
export function instanceLane(worker: string): string {
  return `instance:${worker}`;
}

/** What a shared lane ends in if its tasks require capabilities, whatever the order they are given in; else null. */
export function laneSuffix(requires: readonly string[] | undefined): string | null {
  return requires?.length ? `+${[...new Set(requires)].sort().join("+")}` : null;
}

/** @throws INVALID_INPUT unless it is a list of names */
export function checkNames(names: unknown, what: string): void {
  if (names === undefined) {
    return;
  }
  if (!Array.isArray(names)) {
    throw new GoalpostError("INVALID_INPUT", `${what} must be a list of names, such as ["gpu"]`);
  }
  for (const name of names) {
    checkName(name, `${what}:`);
  }
}
