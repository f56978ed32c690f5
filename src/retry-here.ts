import { v7 as newId } from "uuid";
import type { CodeRegistry } from "./code-registry.ts";
import type { Driver } from "./core/driver.ts";
import { retryRun } from "./store/run-actions.ts";

export interface RetryHereParts {
  readonly driver: Driver;
  readonly registry: CodeRegistry;
  readonly workerId: string;
  readonly lane: string;
  readonly wake: () => void;
}

/** Retries a run on this instance, with the code that is bound to it; undefined if there is no such run. */
export async function retryHere(
  { driver, registry, workerId, lane, wake }: RetryHereParts,
  { runId, resetAll }: { readonly runId: string; readonly resetAll: boolean },
): Promise<string | undefined> {
  const wanted = newId();
  registry.rebind(runId, wanted);
  const retryId = await retryRun(driver, runId, { newId: wanted, worker: workerId, lane, resetAll });
  if (retryId === wanted) {
    wake();
  } else {
    registry.release(wanted);
  }
  return retryId;
}
