// npm run eval -- [suite…] [--json FILE]
// Runs the suites of evals/ and prints their tables; --json writes a report of each, one JSON document a line.
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
if (values.json !== undefined) {
  const file = resolve(values.json);
  rmSync(file, { force: true });
  process.env.GOALPOST_EVAL_JSON = file;
}
const vitest = await startVitest("test", positionals, {
  config: "evals/vitest.config.ts",
  run: true,
  watch: false,
});
await vitest.close();
