import { GoalpostError } from "./errors.ts";

export const MAX_NAME_LENGTH = 128;
const NAME = /^[A-Za-z_][A-Za-z0-9_.:-]*$/;
/** `run` is the run's place in every input; `__proto__` is not a key like others. */
const RESERVED = new Set(["run", "__proto__"]);

/** What names and ids look like, in words for messages. */
export const NAME_RULE: string =
  "a letter or _ first, then letters, digits, _ . : or -, at most 128 characters; `run` is reserved";

/** Why a name is refused; undefined if it is fine. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== "string" || name === "") {
    return "is empty";
  }
  if (name.length > MAX_NAME_LENGTH) {
    return `has ${name.length} characters`;
  }
  if (RESERVED.has(name)) {
    return "is reserved";
  }
  return NAME.test(name) ? undefined : "has a character that is not allowed";
}

/** @throws INVALID_INPUT if the name breaks {@link NAME_RULE} */
export function checkName(name: unknown, what: string): void {
  const problem = nameProblem(name);
  if (problem) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${what} name ${JSON.stringify(name)} ${problem}. Allowed: ${NAME_RULE}.`,
    );
  }
}
