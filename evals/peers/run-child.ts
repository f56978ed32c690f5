import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Figures, MeasureOptions, Message } from "./measure.ts";

const LIMIT_MS = 180_000;

/**
 * Measures a system in a process of its own.
 * @throws with what went wrong there
 */
export function runChild(name: string, options: MeasureOptions): Promise<Figures> {
  const jiti = join(dirname(createRequire(import.meta.url).resolve("jiti/package.json")), "lib/jiti-cli.mjs");
  const script = new URL("./measure.ts", import.meta.url).pathname;
  const child = fork(jiti, [script, name, JSON.stringify(options)], {
    // What it prints must not mix with our own output.
    stdio: ["ignore", process.stderr, process.stderr, "ipc"],
  });
  let message: Message | undefined;
  child.once("message", (sent) => {
    message = sent as Message;
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(late);
      if (message && "figures" in message) {
        resolve(message.figures);
      } else if (message) {
        reject(new Error(message.error));
      } else {
        const reason = signal === "SIGKILL" ? `killed after ${LIMIT_MS / 1000} s` : `exit ${code ?? signal}`;
        reject(new Error(`its process ended without figures (${reason})`));
      }
    });
  });
}
