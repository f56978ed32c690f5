import { GoalpostError } from "../index.ts";
import { readCassette } from "./cassette-file.ts";
import type { CassetteMode, CassetteOptions } from "./cassette-options.ts";
import { Player } from "./cassette-player.ts";
import { Recorder } from "./cassette-recorder.ts";
import { checkSecrets } from "./cassette-secrets.ts";

/** Recorded HTTP traffic; made by {@link cassette}. */
export interface Cassette extends AsyncDisposable {
  /** To be given to clients: `providers: { openai: { fetch: tape.fetch } }`. */
  readonly fetch: typeof globalThis.fetch;
  readonly mode: Exclude<CassetteMode, "auto">;
  /** Writes what was recorded so far. Without effect when nothing is recorded. */
  save(): Promise<void>;
  /** Like `save`; at the end of a test. */
  close(): Promise<void>;
  /**
   * Makes sure that everything was replayed, and that nothing else was asked.
   * @throws INVALID_STATE with all that is wrong
   */
  assertComplete(): void;
}

/**
 * Records the HTTP traffic of a client once, and replays it ever after: tests of code that calls models need no key, no
 * network and no money. The file holds a line of JSON for each exchange. Keys, tokens and cookies are not recorded;
 * streams come in the same pieces as they came. Equal requests are answered in the order of the recording.
 *
 * A request that was not recorded is answered with status 400 and a message that names the nearest recording and the
 * difference: that reaches the test through every SDK, which would retry a network error. `assertComplete` tells it too.
 *
 * @example
 * await using tape = cassette("test/tapes/plan.jsonl");    // record it: GOALPOST_RECORD=1 npx vitest run test/plan.test.ts
 * const gp = await Goalpost.open({
 *   llm: { providers: { openai: { apiKey: process.env.OPENAI_API_KEY ?? "unused", fetch: tape.fetch } } },
 * });
 * // … run what is tested …
 * tape.assertComplete();
 * @throws INVALID_INPUT if the file is broken, or there is none and recording is not allowed
 */
export function cassette(path: string, options: CassetteOptions = {}): Cassette {
  checkSecrets(options.secrets ?? []);
  const recorded = options.mode === "record" || options.mode === "passthrough" ? [] : readCassette(path);
  const mode = chooseMode(path, options.mode ?? "auto", recorded !== undefined);
  const deck =
    mode === "replay" ? new Player(path, recorded ?? [], options) : new Recorder(path, mode, options);
  return {
    mode,
    fetch: (input, init) => deck.fetch(input, init),
    save: () => deck.save(),
    close: () => deck.save(),
    assertComplete: () => deck.assertComplete(),
    [Symbol.asyncDispose]: () => deck.save(),
  };
}

function chooseMode(path: string, mode: CassetteMode, exists: boolean): Cassette["mode"] {
  if (!["replay", "record", "passthrough", "auto"].includes(mode)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `cassette: mode is ${JSON.stringify(mode)}; it must be "replay", "record", "passthrough" or "auto"`,
    );
  }
  if (mode !== "auto" && (mode !== "replay" || exists)) {
    return mode;
  }
  if (exists) {
    return "replay";
  }
  // biome-ignore lint/style/noProcessEnv: the documented switch of cassettes; recording costs money.
  if (mode === "auto" && process.env.GOALPOST_RECORD === "1") {
    return "record";
  }
  throw new GoalpostError(
    "INVALID_INPUT",
    `there is no cassette ${path}; to record it, run this once with GOALPOST_RECORD=1 and a real key`,
  );
}
