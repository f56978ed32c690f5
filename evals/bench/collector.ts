import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The collector, without a flag on the command line. */
export function exposeCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
