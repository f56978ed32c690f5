import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** Starts a fixture as a process, and resolves once it has said that many lines; it is killed when the test is over. */
export async function startProcess(
  fixture: string,
  args: readonly string[],
  lines: number,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--import", "jiti/register", fixture, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = 0;
  await new Promise<void>((resolve, reject) => {
    child.on("close", () => reject(new Error("the process ended by itself")));
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString().split("\n").length - 1;
      if (said >= lines) {
        resolve();
      }
    });
  });
  return child;
}

/** Kills a process at whatever it is doing, and resolves when it is gone. */
export async function killProcess(child: ChildProcess): Promise<void> {
  const ended = once(child, "close");
  child.kill("SIGKILL");
  await ended;
}
