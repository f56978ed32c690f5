import type { Runs } from "./runs.ts";

/** Cancels a run when the signal is aborted, or now if it is; the returned function stops listening. */
export function cancelOnAbort(runs: Runs, runId: string, signal: AbortSignal | undefined): () => void {
  const cancel = (): void => {
    const reason =
      signal?.reason instanceof Error ? signal.reason.message : "the caller's signal was aborted";
    // Whoever waits for the run hears of a database that cannot be reached.
    runs.cancel(runId, { reason }).catch(() => undefined);
  };
  if (signal?.aborted) {
    cancel();
  }
  signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}
