import { GoalpostError } from "../index.ts";

/** What stands where a secret was. */
export const REMOVED = "[secret]";

/** Headers whose values are secrets. They are never recorded; their values are removed wherever else they stand. */
const SECRET_HEADERS = ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"];
const SECRET_PARAMETERS = ["key", "api_key", "apikey", "access_token", "token"];

/** A value that is shorter than this may be an ordinary word: "unused" for servers that need no key. */
const LEAST_FOUND_LENGTH = 8;
const LEAST_GIVEN_LENGTH = 4;

/** @throws INVALID_INPUT for secrets so short that removing them would remove ordinary text */
export function checkSecrets(secrets: readonly string[]): void {
  if (secrets.some((secret) => typeof secret !== "string" || secret.length < LEAST_GIVEN_LENGTH)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `cassette: secrets must be texts of at least ${LEAST_GIVEN_LENGTH} characters`,
    );
  }
}

/** The secrets that a request carries by itself. */
export function secretsOf(url: URL, headers: Headers): string[] {
  const values = SECRET_HEADERS.flatMap((name) => headers.get(name) ?? []);
  // "Bearer abc", "a=abc; b=def": the words are the secrets.
  const words = values.flatMap((value) => [value, ...value.split(/[\s;,=]+/)]);
  const parameters = SECRET_PARAMETERS.flatMap((name) => url.searchParams.getAll(name));
  return [...words, ...parameters].filter((word) => word.length >= LEAST_FOUND_LENGTH);
}

/** The path and query of a URL, the query in order and without secrets. */
export function pathOf(url: URL, redact: Redaction): string {
  const query = new URLSearchParams(url.searchParams);
  for (const name of SECRET_PARAMETERS) {
    query.delete(name);
  }
  query.sort();
  const text = query.toString();
  return redact.text(text === "" ? url.pathname : `${url.pathname}?${text}`);
}

/** Removes secrets from what is recorded. */
export class Redaction {
  /** As strings of one character a byte, so that places in them are places in the bytes. */
  readonly #needles: readonly string[];

  constructor(secrets: readonly string[]) {
    const forms = secrets.flatMap((secret) => [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      Buffer.from(secret).toString("base64").replace(/=+$/, ""),
      Buffer.from(secret).toString("base64url"),
    ]);
    this.#needles = [...new Set(forms)].map(toLatin1);
  }

  text(text: string): string {
    return Buffer.from(this.#chunks([toLatin1(text)])[0] ?? "", "latin1").toString("utf8");
  }

  /** Removes them from chunks of bytes, also where a secret goes over from one to the next. */
  bytes(chunks: readonly Uint8Array[]): Buffer[] {
    return this.#chunks(chunks.map((chunk) => Buffer.from(chunk).toString("latin1"))).map((chunk) =>
      Buffer.from(chunk, "latin1"),
    );
  }

  #chunks(chunks: readonly string[]): string[] {
    const whole = chunks.join("");
    const found = this.#find(whole);
    let start = 0;
    return chunks.map((chunk) => {
      const end = start + chunk.length;
      let kept = "";
      let position = start;
      for (const place of found) {
        if (place.end <= start || place.start >= end) {
          continue;
        }
        kept += whole.slice(position, Math.max(position, place.start));
        // The chunk in which it begins gets the mark, the next ones lose their share.
        kept += place.start >= start ? REMOVED : "";
        position = Math.min(end, place.end);
      }
      kept += whole.slice(position, end);
      start = end;
      return kept;
    });
  }

  /** Where secrets stand: in order, apart from each other. */
  #find(whole: string): Place[] {
    const places: Place[] = [];
    for (const needle of this.#needles) {
      for (let at = whole.indexOf(needle); at >= 0; at = whole.indexOf(needle, at + 1)) {
        places.push({ start: at, end: at + needle.length });
      }
    }
    const apart: Place[] = [];
    for (const place of places.sort((a, b) => a.start - b.start)) {
      const last = apart.at(-1);
      if (last && place.start < last.end) {
        last.end = Math.max(last.end, place.end);
      } else {
        apart.push(place);
      }
    }
    return apart;
  }
}

interface Place {
  readonly start: number;
  end: number;
}

function toLatin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
