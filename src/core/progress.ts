import { GoalpostError } from "./errors.ts";
import { isStorableText } from "./json.ts";

/** What a task said of how far it is. */
export interface TaskProgress {
  /** 0 to 1. */
  readonly fraction: number;
  readonly note: string | null;
}

const MAX_NOTE_LENGTH = 500;

/** @throws INVALID_INPUT */
export function checkProgress(fraction: unknown, note: unknown): TaskProgress {
  if (typeof fraction !== "number" || !(fraction >= 0 && fraction <= 1)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `ctx.progress(fraction, note): fraction is ${String(fraction)}; it must be a number from 0 to 1`,
    );
  }
  if (note !== undefined && !(isStorableText(note) && note.length <= MAX_NOTE_LENGTH)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `ctx.progress(fraction, note): note must be a well-formed text of at most ${MAX_NOTE_LENGTH} characters without \\u0000`,
    );
  }
  return { fraction, note: note ?? null };
}
