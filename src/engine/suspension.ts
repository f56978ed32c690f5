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
