import { realpath } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { defineStep, type StepMap } from "../index.ts";
import { openFile, type Place, placeIn, refused } from "./steps-folder.ts";
import { findMatches, isPattern } from "./steps-glob.ts";

/** Files of one call. */
const MAX_FILES = 200;
/** Bytes of one call, together. */
const MAX_BYTES = 1_000_000;
const DEFAULT_BYTES = 200_000;
/** Bytes at the beginning of a file that tell whether it is text. */
const PROBE_BYTES = 8192;

const args = z.object({
  paths: z
    .array(z.string())
    .min(1)
    .describe(
      "files of the working folder, relative to it: README.md; or patterns: src/**/*.ts, docs/*.{md,txt}",
    ),
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(MAX_BYTES)
    .optional()
    .describe(`bytes of text in all; what is beyond is cut. Default ${DEFAULT_BYTES}`),
});

/** A file as it was read. */
export interface ReadFile {
  readonly path: string;
  readonly text: string;
  /** Of the whole file. */
  readonly bytes: number;
  /** True if the text is only its beginning. */
  readonly cut: boolean;
}

/** What `read_files` returns. */
export interface ReadFiles {
  readonly files: readonly ReadFile[];
  /** What was not read, or not all of it, and why. */
  readonly notes: readonly string[];
}

/** Reads files of the working folder, and of no other. */
export function readFilesStep(folder: string): StepMap[string] {
  return defineStep({
    description:
      "Reads text files of the working folder. Returns { files: [{ path, text, bytes, cut }], notes: [text] }",
    args,
    timeoutMs: 60_000,
    execute: ({ paths, maxBytes = DEFAULT_BYTES }, ctx) => readFiles(folder, { paths, maxBytes }, ctx.signal),
  });
}

/** @throws INVALID_INPUT if a path that is named is refused or does not exist */
export async function readFiles(
  folder: string,
  { paths, maxBytes }: { readonly paths: readonly string[]; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<ReadFiles> {
  const notes: string[] = [];
  const places = await findPlaces(folder, paths, { notes, signal });
  const files: ReadFile[] = [];
  let left = maxBytes;
  for (const place of places.slice(0, MAX_FILES)) {
    signal.throwIfAborted();
    const read = left > 0 ? await readFile(place, left) : undefined;
    if (read === undefined) {
      notes.push(`${place.name}: not read, the ${maxBytes} bytes were used up`);
    } else if (typeof read === "string") {
      notes.push(`${place.name}: ${read}`);
    } else {
      files.push(read);
      left -= Buffer.byteLength(read.text);
      if (read.cut) {
        notes.push(`${place.name}: only the beginning, of ${read.bytes} bytes`);
      }
    }
  }
  if (places.length > MAX_FILES) {
    notes.push(`${places.length - MAX_FILES} more files were not read: ${MAX_FILES} are read at most`);
  }
  return { files, notes };
}

async function findPlaces(
  folder: string,
  paths: readonly string[],
  { notes, signal }: { readonly notes: string[]; readonly signal: AbortSignal },
): Promise<Place[]> {
  const places = new Map<string, Place>();
  const add = (place: Place): void => void places.set(place.path, place);
  for (const path of paths) {
    if (!isPattern(path)) {
      add(await placeIn(folder, path));
      continue;
    }
    if (isAbsolute(path) || path.split("/").includes("..")) {
      throw refused(path, "patterns are relative to the working folder, and take no ..");
    }
    const root = await realpath(folder);
    const found = await findMatches(root, [path], signal);
    for (const match of found.paths) {
      add(await placeIn(root, match));
    }
    if (found.paths.length === 0) {
      notes.push(`${path}: no file fits`);
    }
    if (found.closed > 0) {
      notes.push(`${path}: ${found.closed} files that fit are closed to steps`);
    }
    if (found.capped) {
      notes.push(`${path}: the folder is too large to look at all of it`);
    }
  }
  return [...places.values()];
}

/** A file's text, or why it has none. */
async function readFile(place: Place, maxBytes: number): Promise<ReadFile | string> {
  const { file, bytes } = await openFile(place);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(bytes, maxBytes)), 0);
    const read = buffer.subarray(0, bytesRead);
    if (read.subarray(0, PROBE_BYTES).includes(0)) {
      return `not read, it is a binary file of ${bytes} bytes`;
    }
    const cut = bytesRead < bytes;
    const text = decode(read, cut);
    return text === undefined
      ? `not read, it is a binary file of ${bytes} bytes, or not in UTF-8`
      : { path: place.name, text, bytes, cut };
  } finally {
    await file.close();
  }
}

/** UTF-8; undefined if it is none. A cut may have gone through a character. */
function decode(bytes: Uint8Array, cut: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}
