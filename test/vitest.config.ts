import { configDefaults, defineConfig } from "vitest/config";

/** Processes that are killed, races over many rounds, long random walks: `npm run test:fire`. */
const FIRE = "test/fire/**";

export default defineConfig(({ mode }) => ({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: mode === "fire" ? [`${FIRE}/*.test.ts`] : ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...(mode === "fire" ? [] : [FIRE])],
    globalSetup: ["test/postgres.ts"],
    pool: "forks",
    // To load everything anew for each file takes longer than most files run.
    isolate: false,
    // Half of the time is spent waiting for the database.
    maxWorkers: 3,
    // PGlite is twelve megabytes of WebAssembly: to optimize them takes longer than what the tests then ask of them.
    execArgv: ["--liftoff-only"],
    // Only what hangs runs into it: a machine may be three times slower within the hour.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
}));
