import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Figures, MeasureOptions } from "./measure.ts";

const LIMIT_MS = 180_000;

/**
 * Measures a system in a process of its own.
 * @throws if it ends without figures, with what it wrote to standard error above
 */
export function runChild(name: string, options: MeasureOptions): Promise<Figures> {
  const jiti = join(dirname(createRequire(import.meta.url).resolve("jiti/package.json")), "lib/jiti-cli.mjs");
  const script = new URL("./measure.ts", import.meta.url).pathname;
  const child = fork(jiti, [script, name, JSON.stringify(options)], {
    // What it prints must not mix with our own output.
    stdio: ["ignore", process.stderr, process.stderr, "ipc"],
  });
  let figures: Figures | undefined;
  child.once("message", (message) => {
    figures = message as Figures;
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(late);
      if (figures) {
        resolve(figures);
      } else if (signal === "SIGKILL") {
        reject(new Error(`no figures after ${LIMIT_MS / 1000} s`));
      } else {
        reject(new Error(`its process ended with ${code ?? signal} before it had figures`));
      }
    });
  });
}
