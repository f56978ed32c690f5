import { constants } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { GoalpostError } from "../index.ts";

// What plans a goal may have read a stranger's text: the steps themselves have to keep to the working folder.

/** Folders that steps neither read nor write: of tools, of keys, and of code that others wrote. */
const CLOSED_FOLDERS: ReadonlySet<string> = new Set([
  ".aws",
  ".azure",
  ".docker",
  ".git",
  ".gnupg",
  ".goalpost",
  ".hg",
  ".kube",
  ".ssh",
  ".svn",
  "node_modules",
]);

/** Names of files that are likely to hold secrets. */
const SECRET_FILES: readonly RegExp[] = [
  /^\.env(?!\.(?:example|sample|template)$)(?:\..*)?$/,
  /^\.?(?:npmrc|netrc|pgpass|pypirc|htpasswd|dockercfg|git-credentials|vault-token|yarnrc\.yml|my\.cnf)$/,
  /^_netrc$/,
  /^\.?(?:credentials?|secrets?)(?:\.(?:json|ya?ml|toml|ini|env|txt|xml|properties))?$/,
  /^(?:service[-_]?account|client[-_]secret).*\.json$/,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?(?:\..*)?$/,
  /\.(?:pem|key|p8|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|tfstate|tfvars)$/,
  /\.tfstate\.backup$/,
];

/** Why steps leave a path of the folder alone; undefined if they need not. */
export function whyClosed(path: string): string | undefined {
  // Some file systems take .GIT, ".git " and .git::$DATA for .git.
  const names = path.split(/[\\/]/).map((name) => name.toLowerCase().replace(/:.*$|[. ]+$/g, ""));
  const folder = names.find((name) => CLOSED_FOLDERS.has(name));
  if (folder !== undefined) {
    return `${folder} is closed to steps`;
  }
  return names.some((name) => SECRET_FILES.some((pattern) => pattern.test(name)))
    ? "files like it hold secrets"
    : undefined;
}

/** A place in the working folder. */
export interface Place {
  /** Absolute, without symbolic links in the part that exists. */
  readonly path: string;
  /** As it is called in the folder, with `/`. */
  readonly name: string;
}

export function refused(path: string, why: string): GoalpostError {
  return new GoalpostError("INVALID_INPUT", `${JSON.stringify(path)} is refused: ${why}`);
}

/**
 * The place that a step means by a path. It is in the folder, wherever symbolic links lead, and open to steps.
 * @throws INVALID_INPUT
 */
export async function placeIn(folder: string, given: string): Promise<Place> {
  if (given.trim() === "" || /\p{Cc}/u.test(given)) {
    throw refused(given, "it is no path");
  }
  if (given.split(/[\\/]/).includes("..")) {
    throw refused(given, "steps do not leave the working folder, and take no ..");
  }
  const root = await realpath(folder);
  const asked = isAbsolute(given) ? (insideOf(folder, given) ?? insideOf(root, given)) : given;
  if (asked === undefined) {
    throw refused(given, `steps do not leave the working folder ${root}`);
  }
  const path = await followLinks(resolve(root, asked));
  const name = insideOf(root, path);
  if (name === undefined) {
    throw refused(given, `it leads out of the working folder ${root}`);
  }
  const why = whyClosed(asked) ?? whyClosed(name);
  if (why) {
    throw refused(given, why);
  }
  return { path, name: name.split(sep).join("/") };
}

/** A path as seen from a folder; undefined if it is not in there. */
function insideOf(folder: string, path: string): string | undefined {
  const name = relative(folder, path);
  return name === ".." || name.startsWith(`..${sep}`) || isAbsolute(name) ? undefined : name;
}

/** The path without symbolic links; of one that does not exist, the part that does. */
async function followLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) {
      throw refused(path, codeOf(error) === "ENOTDIR" ? "a file stands in the way" : String(error));
    }
  }
  // A link that leads to nothing would be followed once somebody makes what it leads to.
  if (await lstat(path).catch(() => undefined)) {
    throw refused(path, "it is a symbolic link that leads to nothing");
  }
  return join(await followLinks(dirname(path)), path.slice(dirname(path).length));
}

/** Opens a file for reading; what stands at its place must be a file, not a pipe or device, and still be there. */
export async function openFile(place: Place): Promise<{ file: FileHandle; bytes: number }> {
  let file: FileHandle;
  try {
    // NONBLOCK: opening a pipe would wait for somebody who writes to it.
    file = await open(place.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw refused(place.name, why);
  }
  try {
    const facts = await file.stat();
    if (!facts.isFile()) {
      throw refused(
        place.name,
        facts.isDirectory() ? "it is a folder; name files, or a pattern" : "it is no file",
      );
    }
    if ((await realpath(place.path)) !== place.path) {
      throw refused(place.name, "it was moved meanwhile");
    }
    return { file, bytes: facts.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
