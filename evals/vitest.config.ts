import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: { include: ["evals/**/*.eval.ts"], reporters: ["default"], disableConsoleIntercept: true },
});
