/** Thrown into a step whose try is given up, to be made again later. */
export class Release extends Error {
  override readonly name = "Release";
  /** Milliseconds until the task is ready again. */
  readonly delayMs: number;
  readonly reason: string;

  constructor(taskId: string, delayMs: number, reason: string) {
    super(
      `task "${taskId}" is put back${delayMs > 0 ? ` for ${delayMs} ms` : ""}: ${reason}. ` +
        "This is no failure: let it pass, the step is called again then.",
    );
    this.delayMs = delayMs;
    this.reason = reason;
  }
}

/**
 * Thrown into a step that waits, so that its finally blocks run and its slot is free. The step is called again when
 * there is an answer.
 */
export class Suspension extends Error {
  override readonly name = "Suspension";

  constructor(taskId: string, waits: readonly string[]) {
    super(
      `task "${taskId}" is parked until there is an answer to: ${waits.join(", ")}. ` +
        "This is no failure: let it pass, the step is called again then.",
    );
  }
}
