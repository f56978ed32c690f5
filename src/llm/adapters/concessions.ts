import { ModelError } from "../../core/model.ts";
import { factsOf } from "../error-facts.ts";

/** Something that not every server knows, and how one says so. */
export interface Concession<Name extends string> {
  readonly name: Name;
  /** What the server's refusal names. */
  readonly pattern: RegExp;
}

/**
 * Remembers what a server refused, by model, and asks again without it: once for each thing, and only after a plain
 * "no" (400, 404, 415, 422, 501), which costs nothing.
 */
export class Concessions<Name extends string> {
  readonly #made = new Map<string, Set<Name>>();

  /** @param possible in the order in which they are tried, for this request */
  async ask<T>(
    model: string,
    possible: readonly Concession<Name>[],
    attempt: (made: ReadonlySet<Name>) => Promise<T>,
  ): Promise<T> {
    const made = this.#made.get(model) ?? new Set();
    this.#made.set(model, made);
    for (;;) {
      // Calls that run side by side may each meet the refusal: what counts is what this attempt went without.
      const without = new Set(made);
      try {
        return await attempt(without);
      } catch (error) {
        const next = possible.find(({ name, pattern }) => !without.has(name) && isRefusal(error, pattern));
        if (!next) {
          throw error;
        }
        made.add(next.name);
      }
    }
  }
}

const PLAIN_NO: ReadonlySet<number | null> = new Set([400, 404, 415, 422, 501]);

function isRefusal(error: unknown, pattern: RegExp): boolean {
  if (error instanceof ModelError) {
    return false;
  }
  const { status, reason, param } = factsOf(error);
  return PLAIN_NO.has(status) && pattern.test(`${param ?? ""} ${reason}`);
}
