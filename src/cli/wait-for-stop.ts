import { EXIT } from "./report-error.ts";

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once, and others take over what it had. */
export function waitForStop(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) {
        process.exit(signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
      }
      asked = true;
      resolve(signal);
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}
