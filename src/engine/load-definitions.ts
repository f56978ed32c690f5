import type { DefinitionCache } from "./definitions.ts";
import type { ClaimedTask } from "./protocol.ts";
import { isTransient } from "./transient.ts";

const AGAIN_MS = { first: 20, most: 2000 };

/** Asks again while the database does not answer: to put the tasks back would take as long. */
export async function loadDefinitions(
  definitions: DefinitionCache,
  tasks: readonly ClaimedTask[],
  isStopping: () => boolean,
): Promise<void> {
  for (let delayMs = AGAIN_MS.first; ; delayMs *= 2) {
    try {
      return await definitions.load(tasks);
    } catch (error) {
      if (isStopping() || !isTransient(error) || delayMs > AGAIN_MS.most) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
