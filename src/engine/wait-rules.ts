import { GoalpostError } from "../core/errors.ts";
import { check } from "../core/policy.ts";
import type { ChildOptions } from "../core/step.ts";
import type { StoredWait } from "./protocol.ts";

/** A hundred years, in milliseconds. */
const MAX_WAIT_MS = 100 * 365.25 * 24 * 3_600_000;
const MAX_KEY_LENGTH = 256;

/** @throws INVALID_INPUT for no number of milliseconds from 0 to 100 years */
export function checkTime(ms: unknown, what: string): void {
  check(ms, { what, least: 0 });
  if (typeof ms === "number" && ms > MAX_WAIT_MS) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} is ${ms}; it must be at most ${MAX_WAIT_MS}, 100 years`,
    );
  }
}

/** The key of a child, or why there is none. */
export function requireKey(options: ChildOptions | undefined, call: string): string | GoalpostError {
  return (
    options?.key ??
    new GoalpostError(
      "INVALID_INPUT",
      `${call} needs a key that tells this child from others of the task, the same every time the step is called`,
    )
  );
}

/** @throws INVALID_INPUT for what the database cannot keep, and for keys like those of waits without one */
export function checkKey(key: unknown): void {
  const fits =
    typeof key === "string" &&
    key.length > 0 &&
    key.length <= MAX_KEY_LENGTH &&
    !key.startsWith("/") &&
    !key.includes("\u0000") &&
    isWellFormed(key);
  if (!fits) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the key of a wait is ${JSON.stringify(key) ?? String(key)}; it must be a text of 1 to ${MAX_KEY_LENGTH} ` +
        "characters that does not begin with / and has no zero or half characters",
    );
  }
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

/** @throws INVALID_STATE if the key is that of another wait */
export function refuseOther(
  key: string,
  asked: Pick<StoredWait, "kind" | "name">,
  known: Pick<StoredWait, "kind" | "name"> | undefined,
): void {
  if (known && (known.kind !== asked.kind || known.name !== asked.name)) {
    const say = ({ kind, name }: Pick<StoredWait, "kind" | "name">): string =>
      name === null ? kind : `${kind} "${name}"`;
    throw new GoalpostError(
      "INVALID_STATE",
      `wait ${key} of this task is a ${say(known)} and cannot be a ${say(asked)} now. A step must wait for the same ` +
        "things every time it is called: give waits that come and go keys of their own.",
    );
  }
}
