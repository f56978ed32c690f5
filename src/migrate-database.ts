import { databaseFromEnvironment } from "./environment.ts";
import { type MigrationReport, migrate } from "./store/migrate.ts";
import { type Database, openDriver } from "./store/open-driver.ts";
import { stderrLogger } from "./telemetry/stderr-logger.ts";

/**
 * Brings a database up to this version and closes it; `Goalpost.open` does the same by itself.
 * @throws DATABASE_AHEAD, DATABASE_BUSY, DATABASE_UNAVAILABLE, INVALID_INPUT
 */
export async function migrateDatabase(
  database: Database = databaseFromEnvironment(),
): Promise<MigrationReport> {
  const { driver } = await openDriver(database, stderrLogger);
  try {
    return await migrate(driver);
  } finally {
    await driver.close();
  }
}
