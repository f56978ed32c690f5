import { randomBytes } from "node:crypto";
import { type FileHandle, link, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { defineStep, GoalpostError, type StepMap } from "../index.ts";
import { codeOf, type Place, placeIn } from "./steps-folder.ts";

/** Bytes of one file. */
const MAX_BYTES = 5_000_000;

const args = z.object({
  path: z.string().describe("where to, relative to the working folder: docs/summary.md"),
  content: z
    .unknown()
    .meta({ type: "string" })
    .describe("the text of the file; anything but a text is written as JSON"),
  overwrite: z
    .boolean()
    .optional()
    .describe("replace a file that is there with another content. Default false"),
});

/** What `write_file` returns. */
export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
  /** False if the file was there with that very content. */
  readonly changed: boolean;
}

/** Writes files of the working folder, and of no other. */
export function writeFileStep(folder: string): StepMap[string] {
  return defineStep({
    description:
      "Writes a text file in the working folder, making folders as needed. Returns { path, bytes, changed }",
    args,
    execute: ({ path, content, overwrite }) =>
      writeText(folder, {
        path,
        text: typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`,
        mayReplace: () => overwrite === true,
      }),
  });
}

export interface WriteRequest {
  readonly path: string;
  readonly text: string;
  /** Whether a file with another content may be replaced, by that content. */
  readonly mayReplace: (there: string) => boolean;
}

/**
 * Writes a file as a whole: whoever reads it sees the old one or the new one. Writing it once more changes nothing.
 * @throws INVALID_INPUT if the path is refused, or a file is there that may not be replaced
 */
export async function writeText(
  folder: string,
  { path, text, mayReplace }: WriteRequest,
): Promise<WrittenFile> {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) {
    throw refuse(path, `${bytes} bytes are too many; ${MAX_BYTES} are allowed`);
  }
  const place = await placeIn(folder, path);
  if (place.name.split("/").some((name) => name.startsWith("."))) {
    throw refuse(path, "hidden files tell tools what to do, and are left to people");
  }
  await refuseLink(folder, path);
  const there = await readThere(place, path);
  if (there?.text === text) {
    return { path: place.name, bytes, changed: false };
  }
  if (there && !mayReplace(there.text)) {
    throw refuse(path, "there is a file with another content; say overwrite: true to replace it");
  }
  await mkdir(dirname(place.path), { recursive: true });
  // Somebody may have put a link in the way meanwhile.
  const again = await placeIn(folder, path);
  if (again.path !== place.path) {
    throw refuse(path, "it was moved meanwhile");
  }
  await replace(place, text, there?.mode);
  return { path: place.name, bytes, changed: true };
}

function refuse(path: string, why: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", `${JSON.stringify(path)} is not written: ${why}`);
}

async function refuseLink(folder: string, path: string): Promise<void> {
  const facts = await lstat(resolve(folder, path)).catch(() => undefined);
  if (facts?.isSymbolicLink()) {
    throw refuse(path, "it is a symbolic link");
  }
}

/** The file that stands there; undefined if there is none. */
async function readThere(place: Place, path: string): Promise<{ text: string; mode: number } | undefined> {
  const facts = await lstat(place.path).catch(() => undefined);
  if (!facts) {
    return undefined;
  }
  if (!facts.isFile()) {
    throw refuse(path, "something else than a file is there");
  }
  const text = facts.size > MAX_BYTES ? "" : await readFile(place.path, "utf8");
  return { text, mode: facts.mode & 0o777 };
}

async function replace(place: Place, text: string, mode: number | undefined): Promise<void> {
  const draft = join(dirname(place.path), `.${basename(place.path)}.${randomBytes(6).toString("hex")}.tmp`);
  let file: FileHandle | undefined;
  try {
    // x: it is ours, and no link.
    file = await open(draft, "wx", mode ?? 0o666);
    await file.writeFile(text);
    await file.sync();
    await file.close();
    if (mode === undefined) {
      await linkNew(draft, place);
    } else {
      await rename(draft, place.path);
    }
  } finally {
    await file?.close();
    await rm(draft, { force: true });
  }
}

/** Gives a draft its name unless somebody else was faster; then the next try sees what is there. */
async function linkNew(draft: string, place: Place): Promise<void> {
  try {
    await link(draft, place.path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") {
      throw new GoalpostError("STEP_FAILED", `${place.name} was made by somebody else meanwhile`);
    }
    // Not every file system knows links.
    await rename(draft, place.path);
  }
}
