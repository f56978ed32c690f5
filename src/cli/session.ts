import { existsSync } from "node:fs";
import {
  type App,
  databaseFromEnvironment,
  Goalpost,
  GoalpostError,
  type Logger,
  type OpenOptions,
  silentLogger,
  type WorkersOptions,
} from "../index.ts";

/** Options that every goal command has. */
export interface GoalCommandOptions {
  readonly app?: string;
  readonly database?: string;
  readonly json?: boolean;
}

/** What a command works with. */
export interface Session {
  readonly gp: Goalpost;
  readonly app: Required<Pick<App, "decomposer" | "steps">>;
}

/** Opens the database for looking at it. */
export async function withDatabase<T>(
  database: string | undefined,
  work: (gp: Goalpost) => Promise<T>,
): Promise<T> {
  await using gp = await Goalpost.open({ database, logger: silentLogger, workers: false });
  return await work(gp);
}

/** Loads the app, opens the database, and closes it after the work. */
export async function withApp<T>(
  options: GoalCommandOptions,
  workers: WorkersOptions | false,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const app = await chooseApp(options.app);
  if (!app.decomposer) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `the app ${options.app} has no decomposer: defineApp({ decomposer, steps })`,
    );
  }
  announceFirstStart(options.database);
  // It is here for this goal: runs that others started are for workers.
  const own = workers && { ...workers, queues: [] };
  await using gp = await Goalpost.open({ database: options.database, logger: quietLogger, workers: own });
  gp.register(app);
  return await work({ gp, app: { decomposer: app.decomposer, steps: app.steps ?? {} } });
}

/** Loads the app and opens the database for it; the caller closes it. */
export async function openWithApp(
  options: Pick<GoalCommandOptions, "app" | "database">,
  how: Pick<OpenOptions, "workers" | "logger">,
): Promise<Goalpost> {
  const app = await chooseApp(options.app);
  announceFirstStart(options.database);
  const gp = await Goalpost.open({ database: options.database, ...how });
  try {
    gp.register(app);
    return gp;
  } catch (error) {
    await gp.close();
    throw error;
  }
}

async function chooseApp(file: string | undefined): Promise<App> {
  if (file !== undefined) {
    return (await import("./load-app.ts")).loadApp(file);
  }
  return (await import("./default-app.ts")).defaultApp;
}

/** Making an embedded database takes some seconds: nobody should wonder what is going on. */
function announceFirstStart(database: string | undefined): void {
  const name = database ?? databaseFromEnvironment();
  const directory = name.startsWith("pglite:") ? name.slice("pglite:".length) : undefined;
  if (directory && !existsSync(directory)) {
    process.stderr.write(`Making an embedded database in ${directory}; this takes some seconds, once.\n`);
  }
}

/** Where the runs are, for messages: never with a password. */
export function describeDatabase(database: string | undefined): string {
  const name = database ?? databaseFromEnvironment();
  return name.replace(/\/\/[^@/]*@/, "//");
}

/** The view shows what happens to tasks; only what it cannot show is logged. */
const quietLogger: Logger = {
  ...silentLogger,
  error: (fields, message) => process.stderr.write(`goalpost: ${message} ${JSON.stringify(fields)}\n`),
};
