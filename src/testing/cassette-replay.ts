import { isObject } from "../core/json.ts";
import type { Clock } from "../index.ts";
import { type CassetteResponse, type Exchange, toBytes } from "./cassette-file.ts";
import {
  type CassetteRequest,
  comparable,
  type Difference,
  differences,
  textOfRequest,
} from "./cassette-key.ts";
import { pause } from "./pause.ts";

/** Statuses whose answers have no body. */
const NO_BODY: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

/** Makes the answer that was recorded; `clock`: with the pauses that it had. */
export function replay(
  { status, headers, body, chunks, end }: CassetteResponse,
  signal: AbortSignal,
  clock: Clock | undefined,
): Response {
  if (!chunks) {
    const bytes = body === null || body === undefined || NO_BODY.has(status) ? null : toBytes(body);
    return new Response(bytes, { status, headers });
  }
  let next = 0;
  let passedMs = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        signal.throwIfAborted();
        const chunk = chunks[next++];
        if (!chunk) {
          return finish(controller, end);
        }
        if (clock && chunk.atMs > passedMs) {
          await pause(clock, chunk.atMs - passedMs, signal);
          passedMs = chunk.atMs;
        }
        controller.enqueue(toBytes(chunk.data));
      },
    },
    // One chunk at a time, each when it is asked for.
    { highWaterMark: 0 },
  );
  return new Response(stream, { status, headers });
}

function finish(controller: ReadableStreamDefaultController, end: CassetteResponse["end"]): void {
  if (end === "broken") {
    controller.error(new TypeError("terminated"));
  } else if (end === "cancelled") {
    controller.error(new TypeError("the recording ends here: its reader wanted no more"));
  } else {
    controller.close();
  }
}

const SHOWN_DIFFERENCES = 3;
const SHOWN_LENGTH = 80;

/** In what the nearest recorded request differs from one that was not recorded. */
export function explainMiss(
  asked: CassetteRequest,
  recorded: readonly Exchange[],
  ignored: readonly string[],
): string {
  const what = `${asked.method} ${asked.path}`;
  if (recorded.length === 0) {
    return `no recording of ${what}: it holds nothing`;
  }
  const text = textOfRequest(asked, ignored);
  const equal = recorded.filter(({ req }) => textOfRequest(req, ignored) === text).length;
  if (equal > 0) {
    return `${what} was recorded ${equal === 1 ? "once" : `${equal} times`}, and asked once more`;
  }
  const ranked = recorded
    .map((exchange, index) => ({ line: index + 1, found: compare(exchange.req, asked, ignored) }))
    .sort((a, b) => a.found.length - b.found.length);
  const [nearest] = ranked;
  const shown = nearest?.found.slice(0, SHOWN_DIFFERENCES).map(describe).join("; ");
  const more = (nearest?.found.length ?? 0) - SHOWN_DIFFERENCES;
  return `no recording of ${what}; the nearest is line ${nearest?.line}: ${shown}${more > 0 ? `; and ${more} more` : ""}`;
}

/** Another address counts like many differences of the bodies. */
const ADDRESS_WEIGHT = 1000;

function compare(
  recorded: CassetteRequest,
  asked: CassetteRequest,
  ignored: readonly string[],
): Difference[] {
  const address = differences(
    { method: recorded.method, path: recorded.path },
    { method: asked.method, path: asked.path },
  );
  const bodies = differences(comparable(recorded.body, ignored), comparable(asked.body, ignored), "body");
  return [...address.flatMap((one) => Array<Difference>(ADDRESS_WEIGHT).fill(one)), ...bodies];
}

function describe({ path, recorded, asked }: Difference): string {
  const [left, right] = aroundDifference(recorded, asked);
  return `${path} is ${left} there, and ${right} here`;
}

/** Two long texts from where they begin to differ. */
function aroundDifference(recorded: unknown, asked: unknown): [string, string] {
  if (typeof recorded !== "string" || typeof asked !== "string") {
    return [shortJson(recorded), shortJson(asked)];
  }
  let same = 0;
  while (same < recorded.length && recorded[same] === asked[same]) {
    same += 1;
  }
  const from = Math.max(0, same - SHOWN_LENGTH / 4);
  const part = (text: string): string => {
    const piece = text.slice(from, from + SHOWN_LENGTH);
    return JSON.stringify(`${from > 0 ? "…" : ""}${piece}${from + SHOWN_LENGTH < text.length ? "…" : ""}`);
  };
  return [part(recorded), part(asked)];
}

function shortJson(value: unknown): string {
  if (value === undefined) {
    return "absent";
  }
  const text = JSON.stringify(value);
  return text.length <= SHOWN_LENGTH || !(isObject(value) || typeof value === "string")
    ? text.slice(0, SHOWN_LENGTH)
    : `${text.slice(0, SHOWN_LENGTH - 1)}…`;
}
