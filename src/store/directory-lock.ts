import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { GoalpostError } from "../core/errors.ts";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process started, where the system tells: a pid can be used again. */
  readonly processStart: string | null;
}

/** Without a sign of life for this long, an owner on another host is taken for dead. */
const STALE_MS = 30_000;
const SIGN_OF_LIFE_MS = 5000;
/** The take-over itself takes microseconds; an older guard was left by a process that died in it. */
const GUARD_STALE_MS = 5000;

/**
 * Locks a database directory for this process by a file beside it. The lock of a dead process is taken over.
 * @returns the function that gives the lock back
 * @throws DATABASE_BUSY naming the owner's pid
 */
export function lockDirectory(directory: string): () => void {
  const file = `${directory}.lock`;
  mkdirSync(dirname(file), { recursive: true });
  const mine: Owner = { pid: process.pid, host: hostname(), processStart: processStart(process.pid) };
  if (!createOnce(file, mine)) {
    takeOver(file, directory, mine);
  }
  const beat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // The file is gone: somebody removed it by hand. The database is still ours to close.
    }
  }, SIGN_OF_LIFE_MS).unref();
  const release = (): void => {
    clearInterval(beat);
    process.off("exit", release);
    rmSync(file, { force: true });
  };
  process.on("exit", release);
  return release;
}

function createOnce(file: string, owner: Owner): boolean {
  try {
    const handle = openSync(file, "wx");
    writeSync(handle, JSON.stringify(owner));
    closeSync(handle);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw error;
  }
}

/** A guard file makes "look, remove, create" one step: two processes must not both find the same dead owner. */
function takeOver(file: string, directory: string, mine: Owner): void {
  const guard = `${file}.guard`;
  if (ageMs(guard) > GUARD_STALE_MS) {
    rmSync(guard, { force: true });
  }
  if (!createOnce(guard, mine)) {
    throw busy(directory, readOwner(file));
  }
  try {
    const owner = readOwner(file);
    if (isAlive(owner, file)) {
      throw busy(directory, owner);
    }
    rmSync(file, { force: true });
    if (!createOnce(file, mine)) {
      throw busy(directory, readOwner(file));
    }
  } finally {
    rmSync(guard, { force: true });
  }
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner | undefined, file: string): boolean {
  if (!owner || owner.host !== hostname()) {
    return ageMs(file) < STALE_MS;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return owner.processStart === null || owner.processStart === processStart(owner.pid);
}

function ageMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

/**
 * State and start time (fields 3 and 22 of /proc/PID/stat); null where there is no /proc. A killed process whose
 * parent has not taken notice is still listed, as a zombie: it holds nothing any more.
 */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function busy(directory: string, owner: Owner | undefined): GoalpostError {
  const who = owner
    ? `process ${owner.pid}${owner.host === hostname() ? "" : ` on ${owner.host}`}`
    : "another process";
  return new GoalpostError(
    "DATABASE_BUSY",
    `the embedded database ${directory} is in use by ${who}. ` +
      "Wait for it, stop it, use another directory, or share a PostgreSQL server: --database postgres://…",
    { details: owner ? { pid: owner.pid, host: owner.host } : {} },
  );
}
