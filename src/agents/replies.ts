import type { ReplyOptions } from "../core/agent.ts";
import type { Clock } from "../core/clock.ts";
import { type ErrorRecord, fromErrorRecord } from "../core/error-record.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { StoredReply } from "./mail-protocol.ts";

interface Waiter {
  readonly resolve: (reply: Json) => void;
  readonly reject: (error: unknown) => void;
}

/** What a request is called in messages. */
export interface Asked {
  readonly id: string;
  readonly to: string;
}

/** The requests of one client whose replies are waited for. */
export class Replies {
  readonly #clock: Clock;
  readonly #onWait: () => void;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #due = false;

  /** @param onWait somebody waits: replies are to be looked for from now on */
  constructor(clock: Clock, onWait: () => void) {
    this.#clock = clock;
    this.#onWait = onWait;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** The next call looks for them. */
  dueNow(): void {
    this.#due = this.#waiters.size > 0;
  }

  /** Ids to look for, if they are due. */
  take(): string[] {
    const ids = this.#due ? [...this.#waiters.keys()] : [];
    this.#due = false;
    return ids;
  }

  answered(replies: readonly StoredReply[]): void {
    for (const { id, reply, error } of replies) {
      for (const { resolve, reject } of this.#waiters.get(id) ?? []) {
        if (error) {
          reject(error);
        } else {
          resolve(reply);
        }
      }
    }
  }

  /** @throws WAIT_TIMEOUT, what the agent failed with, the signal's reason */
  async wait(asked: Asked, { timeoutMs, signal }: ReplyOptions): Promise<Json> {
    signal?.throwIfAborted();
    let cancelTimer = (): void => undefined;
    let abort = (): void => undefined;
    let waiter: Waiter | undefined;
    try {
      return await new Promise<Json>((resolve, reject) => {
        waiter = {
          resolve,
          reject: (error) => reject(isRecord(error) ? requestFailed(asked, error) : error),
        };
        const waiters = this.#waiters.get(asked.id) ?? new Set();
        this.#waiters.set(asked.id, waiters.add(waiter));
        if (timeoutMs !== undefined) {
          cancelTimer = this.#clock.timer(timeoutMs, () => reject(replyTimedOut(asked, timeoutMs)));
        }
        abort = () => reject(signal?.reason);
        signal?.addEventListener("abort", abort, { once: true });
        this.#due = true;
        this.#onWait();
      });
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", abort);
      const waiters = this.#waiters.get(asked.id);
      if (waiter && waiters?.delete(waiter) && waiters.size === 0) {
        this.#waiters.delete(asked.id);
      }
    }
  }

  close(): void {
    for (const waiters of this.#waiters.values()) {
      for (const { reject } of waiters) {
        reject(
          new GoalpostError(
            "CLOSED",
            "the client was closed while a reply was waited for; ask again with the same messageId to get it",
          ),
        );
      }
    }
  }
}

function isRecord(error: unknown): error is ErrorRecord {
  return !(error instanceof Error);
}

/** What a request fails with when its message is a dead letter: what the handler failed with. */
export function requestFailed({ id, to }: Asked, record: ErrorRecord): GoalpostError {
  return new GoalpostError(record.code, `agent "${to}" could not handle request ${id}: ${record.message}`, {
    // The message is a dead letter: to ask again under its id would be told the same.
    retryable: false,
    cause: fromErrorRecord(record),
    details: { ...record.details, agent: to, messageId: id },
  });
}

export function replyTimedOut({ id, to }: Asked, timeoutMs: number): GoalpostError {
  return new GoalpostError(
    "WAIT_TIMEOUT",
    `agent "${to}" did not reply to request ${id} within ${timeoutMs} ms. It may still: ask again with the same messageId to wait on.`,
    { details: { agent: to, messageId: id } },
  );
}
