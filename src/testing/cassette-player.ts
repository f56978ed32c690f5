import { basename } from "node:path";
import { systemClock } from "../engine/system-clock.ts";
import { GoalpostError } from "../index.ts";
import type { Exchange } from "./cassette-file.ts";
import type { CassetteRequest } from "./cassette-key.ts";
import { type CassetteOptions, type Deck, textOf } from "./cassette-options.ts";
import { explainMiss, replay } from "./cassette-replay.ts";
import { readRequest, toRecord } from "./cassette-request.ts";
import { Redaction, secretsOf } from "./cassette-secrets.ts";

/** Answers requests from what was recorded. */
export class Player implements Deck {
  readonly #path: string;
  readonly #options: CassetteOptions;
  readonly #exchanges: readonly Exchange[];
  /** Lines that were not replayed yet, by what tells their requests apart. */
  readonly #left = new Map<string, number[]>();
  readonly #misses: string[] = [];
  readonly #secrets: Set<string>;

  constructor(path: string, exchanges: readonly Exchange[], options: CassetteOptions) {
    this.#path = path;
    this.#options = options;
    this.#exchanges = exchanges;
    this.#secrets = new Set(options.secrets);
    for (const [line, { req }] of exchanges.entries()) {
      const text = textOf(req, options);
      this.#left.set(text, [...(this.#left.get(text) ?? []), line]);
    }
  }

  readonly fetch: Deck["fetch"] = async (input, init) => {
    const request = await readRequest(input, init);
    request.signal.throwIfAborted();
    for (const secret of secretsOf(request.url, request.headers)) {
      this.#secrets.add(secret);
    }
    const asked = toRecord(request, new Redaction([...this.#secrets]));
    const line = this.#left.get(textOf(asked, this.#options))?.shift();
    const exchange = line === undefined ? undefined : this.#exchanges[line];
    return exchange
      ? replay(exchange.res, request.signal, this.#options.realTime ? systemClock : undefined)
      : this.#miss(asked);
  };

  save(): Promise<void> {
    return Promise.resolve();
  }

  assertComplete(): void {
    const left = [...this.#left.values()]
      .flat()
      .sort((a, b) => a - b)
      .map((line) => {
        const { method, path } = this.#exchanges[line]?.req ?? {};
        return `line ${line + 1} (${method} ${path}) was not replayed`;
      });
    if (left.length + this.#misses.length > 0) {
      throw new GoalpostError(
        "INVALID_STATE",
        `cassette ${this.#path}: ${[...left, ...this.#misses].join("; ")}`,
      );
    }
  }

  #miss(asked: CassetteRequest): Response {
    const why = explainMiss(asked, this.#exchanges, this.#options.ignore ?? []);
    this.#misses.push(why);
    const message = `cassette ${basename(this.#path)}: ${why}`;
    // The shape of all three vendors' errors.
    return Response.json(
      { type: "error", error: { type: "invalid_request_error", code: 400, message } },
      { status: 400, headers: { "x-should-retry": "false" } },
    );
  }
}
