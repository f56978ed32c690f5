import { migrateDatabase } from "../index.ts";
import { EXIT } from "./report-error.ts";
import { describeDatabase } from "./session.ts";

/** `goalpost migrate`: brings a schema up to date; returns the exit code. */
export async function migrateNow(options: { readonly database?: string }): Promise<number> {
  const { applied, functions } = await migrateDatabase(options.database);
  const what =
    applied.length + functions.length === 0
      ? "is up to date"
      : `was brought up to date: ${applied.length} migrations, ${functions.length} functions`;
  process.stdout.write(`${describeDatabase(options.database)} ${what}\n`);
  return EXIT.done;
}
