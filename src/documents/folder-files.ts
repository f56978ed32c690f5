import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { GoalpostError } from "../core/errors.ts";

/** Files that are read at once: a batch of the ingest. */
const BATCH_FILES = 50;
const BATCH_BYTES = 400_000;
/** Larger files are hardly written by people. */
const MAX_FILE_BYTES = 1_000_000;
/** Files and folders that are looked at. */
const MAX_ENTRIES = 200_000;

/** Folders of tools, of keys, of what was built, and of code that others wrote. */
const LEFT_OUT_FOLDERS =
  /^(?:\.(?:aws|azure|cache|docker|git|gnupg|goalpost|hg|idea|kube|mypy_cache|next|nuxt|nyc_output|pytest_cache|ruff_cache|ssh|svn|tox|turbo|venv)|__pycache__|bower_components|build|coverage|dist|node_modules|out|site-packages|target|vendor|venv)$/i;
/** Names of files that are likely to hold secrets. */
const SECRET_FILES: readonly RegExp[] = [
  /^\.env(?!\.(?:example|sample|template)$)(?:\..*)?$/i,
  /^[._]?(?:npmrc|netrc|pgpass|pypirc|htpasswd|dockercfg|git-credentials|vault-token|yarnrc\.yml|my\.cnf)$/i,
  /^\.?(?:credentials?|secrets?)(?:\.(?:json|ya?ml|toml|ini|env|txt|xml|properties))?$/i,
  /^(?:service[-_]?account|client[-_]secret).*\.json$/i,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?(?:\..*)?$/i,
  /\.(?:pem|key|p8|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|tfstate|tfvars)$/i,
];
/** What programs wrote. */
const GENERATED =
  /(?:\.min\.(?:js|css)|\.map|\.lock|\.snap|-lock\.(?:json|yaml)|^go\.sum|^goalpost-report\.md)$/i;

/** Files of a folder that are read together. */
export interface FileBatch {
  /** Absolute, with `/`. */
  readonly folder: string;
  /** Relative to it, with `/`. */
  readonly paths: readonly string[];
}

/** A text file. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Lists the files of a folder that may be text, in batches: without what tools, secrets and builds are kept in, without
 * symbolic links and large files.
 * @param folder as {@link resolveFolder} gives it
 * @throws INVALID_INPUT if it holds too much
 */
export async function listFolder(folder: string, signal: AbortSignal): Promise<FileBatch[]> {
  const batches: { folder: string; paths: string[]; bytes: number }[] = [];
  const folders = [""];
  let entries = 0;
  for (let next = folders.shift(); next !== undefined; next = folders.shift()) {
    signal.throwIfAborted();
    const found = await readdir(join(folder, next), { withFileTypes: true }).catch(() => []);
    entries += found.length;
    if (entries > MAX_ENTRIES) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `the folder ${folder} holds more than ${MAX_ENTRIES} files and folders; name one of its folders`,
      );
    }
    for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = next === "" ? entry.name : `${next}/${entry.name}`;
      if (entry.isDirectory() && !LEFT_OUT_FOLDERS.test(entry.name)) {
        folders.push(path);
      } else if (entry.isFile() && isWanted(entry.name)) {
        const bytes = (await lstat(join(folder, path)).catch(() => undefined))?.size ?? 0;
        if (bytes > 0 && bytes <= MAX_FILE_BYTES) {
          addTo(batches, folder, { path, bytes });
        }
      }
    }
  }
  return batches.map(({ paths }) => ({ folder, paths }));
}

/** Where a folder is, absolute and with `/`. @throws INVALID_INPUT if it cannot be read */
export async function resolveFolder(folder: string): Promise<string> {
  try {
    const root = await realpath(resolve(folder));
    await readdir(root);
    return root.split(sep).join("/");
  } catch (error) {
    throw new GoalpostError("INVALID_INPUT", `the folder ${folder} cannot be read: ${String(error)}`);
  }
}

function isWanted(name: string): boolean {
  return !GENERATED.test(name) && !SECRET_FILES.some((pattern) => pattern.test(name));
}

function addTo(
  batches: { folder: string; paths: string[]; bytes: number }[],
  folder: string,
  { path, bytes }: { path: string; bytes: number },
): void {
  const last = batches.at(-1);
  if (last && last.paths.length < BATCH_FILES && last.bytes + bytes <= BATCH_BYTES) {
    last.paths.push(path);
    last.bytes += bytes;
  } else {
    batches.push({ folder, paths: [path], bytes });
  }
}

/** The files of a batch that hold text in UTF-8. One that is gone is not an error: folders change. */
export async function readBatch({ folder, paths }: FileBatch): Promise<TextFile[]> {
  const read = await Promise.all(
    paths.map(async (path) => {
      const bytes = await readFile(join(folder, path)).catch(() => undefined);
      const text = bytes && decode(bytes);
      return text === undefined ? [] : [{ path, text }];
    }),
  );
  return read.flat();
}

/** Undefined for what is no text. */
function decode(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) {
    return undefined;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
