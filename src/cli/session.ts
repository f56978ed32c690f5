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
  /** Which model plans, and which one steps ask; of the default app only. */
  readonly model?: string;
  readonly provider?: string;
  /** US dollars. */
  readonly budget?: number;
}

/** US dollars that a goal may cost if nobody says how much, and a model plans it. */
export const DEFAULT_BUDGET_USD = 1;

/** What a command works with. */
export interface Session {
  readonly gp: Goalpost;
  /** What the calls of models may cost; undefined without a limit. */
  readonly budget: { readonly usd: number } | undefined;
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
  const { app, planned } = await chooseApp(options);
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
  const usd = options.budget ?? (planned ? DEFAULT_BUDGET_USD : undefined);
  return await work({
    gp,
    app: { decomposer: app.decomposer, steps: app.steps ?? {} },
    budget: usd === undefined ? undefined : { usd },
  });
}

/** Loads the app and opens the database for it; the caller closes it. */
export async function openWithApp(
  options: Pick<GoalCommandOptions, "app" | "database">,
  how: Pick<OpenOptions, "workers" | "logger">,
): Promise<Goalpost> {
  const { app } = await chooseApp(options);
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

interface ChosenApp {
  readonly app: App;
  /** Whether a model plans goals. */
  readonly planned: boolean;
}

async function chooseApp({ app, model, provider }: GoalCommandOptions): Promise<ChosenApp> {
  if (app !== undefined) {
    if (model !== undefined || provider !== undefined) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `--model and --provider are for goals without --app; ${app} chooses its models itself`,
      );
    }
    return { app: await (await import("./load-app.ts")).loadApp(app), planned: false };
  }
  const choice = { model, provider };
  const planner = (await import("./planner.ts")).choosePlanner(choice);
  const { makeDefaultApp } = await import("./default-app.ts");
  return { app: makeDefaultApp({ planner, choice }), planned: planner !== undefined };
}

/** Making an embedded database takes some seconds: nobody should wonder what is going on. */
export function announceFirstStart(database: string | undefined): void {
  const name = database ?? databaseFromEnvironment();
  const directory = name.startsWith("pglite:") ? name.slice("pglite:".length) : undefined;
  if (directory && !existsSync(directory)) {
    process.stderr.write(`Making an embedded database in ${directory}; this takes some seconds, once.\n`);
  }
}

/** Whether only one process at a time can open the database. */
export function isEmbedded(database: string | undefined): boolean {
  return /^(?:pglite|memory):/.test(database ?? databaseFromEnvironment());
}

/** Where the runs are, for messages: never with a password. */
export function describeDatabase(database: string | undefined): string {
  const name = database ?? databaseFromEnvironment();
  return name.replace(/\/\/[^@/]*@/, "//");
}

/** The view shows what happens to tasks; only what it cannot show is logged. */
export const quietLogger: Logger = {
  ...silentLogger,
  error: (fields, message) => process.stderr.write(`goalpost: ${message} ${JSON.stringify(fields)}\n`),
};
