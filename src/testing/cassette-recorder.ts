import { systemClock } from "../engine/system-clock.ts";
import { type Exchange, toKey, writeCassette } from "./cassette-file.ts";
import { type CassetteOptions, type Deck, textOf } from "./cassette-options.ts";
import { Recording } from "./cassette-recording.ts";
import { readRequest, toRecord } from "./cassette-request.ts";
import { Redaction, secretsOf } from "./cassette-secrets.ts";

/** Sends requests, and keeps what goes by. */
export class Recorder implements Deck {
  readonly #path: string;
  readonly #keep: boolean;
  readonly #options: CassetteOptions;
  readonly #secrets: Set<string>;
  readonly #recordings: Recording[] = [];

  constructor(path: string, mode: "record" | "passthrough", options: CassetteOptions) {
    this.#path = path;
    this.#keep = mode === "record";
    this.#options = options;
    this.#secrets = new Set(options.secrets);
  }

  readonly fetch: Deck["fetch"] = async (input, init) => {
    const underlying = this.#options.fetch ?? globalThis.fetch;
    if (!this.#keep) {
      return underlying(input, init);
    }
    const request = await readRequest(input, init);
    for (const secret of secretsOf(request.url, request.headers)) {
      this.#secrets.add(secret);
    }
    const recording = new Recording(request, systemClock);
    this.#recordings.push(recording);
    return recording.follow(await request.send(underlying));
  };

  async save(): Promise<void> {
    const redact = new Redaction([...this.#secrets]);
    // A request without any answer leaves nothing to replay.
    const exchanges = this.#recordings
      .filter(({ answered }) => answered)
      .map((recording): Exchange => {
        const req = toRecord(recording.request, redact);
        return { key: toKey(textOf(req, this.#options)), req, res: recording.toRecord(redact) };
      });
    if (exchanges.length > 0) {
      await writeCassette(this.#path, exchanges);
    }
  }

  assertComplete(): void {
    // Whatever is asked while it is recorded is right.
  }
}
