import type { Clock } from "../core/clock.ts";
import type { CallOutcome, Ledger } from "../core/ledger.ts";
import type { Logger } from "../core/logger.ts";

const AGAIN_MS = { first: 500, most: 30_000 };

export interface SettlementsOptions {
  readonly ledger: Pick<Ledger, "settle">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Brings outcomes into the ledger. An answer that was paid for is not lost because the database is away: it is handed
 * on, and its outcome is brought again until that succeeds or the client is closed; then what was reserved stands.
 */
export class Settlements {
  readonly #o: SettlementsOptions;
  readonly #late = new Map<CallOutcome, () => void>();
  #closed = false;

  constructor(options: SettlementsOptions) {
    this.#o = options;
  }

  async settle(outcome: CallOutcome): Promise<void> {
    try {
      await this.#o.ledger.settle(outcome);
    } catch (error) {
      const fields = { callId: outcome.callId, error: String(error) };
      this.#o.logger.warn(fields, "a call could not be settled; trying again");
      this.#later(outcome, AGAIN_MS.first);
    }
  }

  /** Tries once more what is left, and no more after that. */
  async close(): Promise<void> {
    this.#closed = true;
    const late = [...this.#late];
    this.#late.clear();
    for (const [outcome, stopTimer] of late) {
      stopTimer();
      await this.#o.ledger.settle(outcome).catch(() => undefined);
    }
  }

  #later(outcome: CallOutcome, delayMs: number): void {
    if (this.#closed) {
      return;
    }
    const stopTimer = this.#o.clock.timer(delayMs, () => {
      this.#o.ledger.settle(outcome).then(
        () => this.#late.delete(outcome),
        () => this.#later(outcome, Math.min(2 * delayMs, AGAIN_MS.most)),
      );
    });
    this.#late.set(outcome, stopTimer);
  }
}
