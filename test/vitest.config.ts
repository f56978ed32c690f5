import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/postgres.ts"],
    pool: "forks",
    // To load everything anew for each file takes longer than most files run.
    isolate: false,
    // Half of the time is spent waiting for the database.
    maxWorkers: 3,
    // Only what hangs runs into it: a machine may be three times slower within the hour.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
