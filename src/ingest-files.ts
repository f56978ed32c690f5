import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { GoalpostError } from "./core/errors.ts";

/** Larger files are hardly texts that somebody reads. */
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_LISTING_BYTES = 64 * 1024 * 1024;
/** Folders that hold what others made. */
const SKIPPED_FOLDERS = new Set([
  "node_modules",
  "dist",
  "build",
  "target",
  "vendor",
  "coverage",
  "__pycache__",
]);
/** Files that hold keys. */
const SECRET =
  /^(?:\.env.*|.*\.(?:pem|key|p12|pfx|keystore)|id_(?:rsa|dsa|ecdsa|ed25519).*|\.npmrc|\.netrc|credentials.*)$/i;

/**
 * The files of a folder that may be texts, by their paths from there, in order. In a git checkout those that git does
 * not ignore, elsewhere all but hidden ones. Left out are links, folders such as node_modules and files that hold keys.
 * @throws INVALID_INPUT if there is no such folder
 */
export async function listTextFiles(folder: string): Promise<string[]> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new GoalpostError("INVALID_INPUT", `${JSON.stringify(folder)} is no folder`);
  }
  const paths = (await listByGit(folder)) ?? (await walk(folder, folder));
  return paths.filter(isWanted).sort();
}

/** The text of a file; undefined for what is none, is too large, or is gone. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      return undefined;
    }
    const bytes = await readFile(path);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\u0000") || text.trim() === "" ? undefined : text;
  } catch (error) {
    if (isNoText(error)) {
      return undefined;
    }
    throw error;
  }
}

function isNoText(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return ["ENOENT", "EISDIR", "ERR_ENCODING_INVALID_ENCODED_DATA"].includes(code);
}

async function listByGit(folder: string): Promise<string[] | undefined> {
  try {
    const args = ["-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    const { stdout } = await promisify(execFile)("git", args, { maxBuffer: MAX_LISTING_BYTES });
    return stdout.split("\0").filter((path) => path !== "");
  } catch {
    // No git, or no checkout.
    return undefined;
  }
}

async function walk(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || SKIPPED_FOLDERS.has(entry.name)) {
      return [];
    }
    return entry.isDirectory() ? walk(root, path) : entry.isFile() ? [relative(root, path)] : [];
  });
  return (await Promise.all(nested)).flat().map((path) => path.split(sep).join("/"));
}

function isWanted(path: string): boolean {
  const parts = path.split("/");
  return !SECRET.test(parts.at(-1) as string) && !parts.some((part) => SKIPPED_FOLDERS.has(part));
}
