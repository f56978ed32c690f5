import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { type App, GoalpostError, isApp } from "../index.ts";

const EXTENSIONS = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"];

/**
 * Loads an app module. `goalpost` resolves to this very copy, so an app needs no node_modules of its own.
 * @throws INVALID_INPUT if there is no such file, it throws, or its default export is no app
 */
export async function loadApp(file: string): Promise<App> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new GoalpostError("INVALID_INPUT", `there is no app file ${path}`);
  }
  if (!EXTENSIONS.includes(extname(path))) {
    throw new GoalpostError("INVALID_INPUT", `${path} is no app: it must end in ${EXTENSIONS.join(", ")}`);
  }
  const app = await importDefault(path);
  if (!isApp(app)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      `${path} is no app: its default export must be defineApp({ steps, decomposer, workflows })`,
    );
  }
  return app;
}

async function importDefault(path: string): Promise<unknown> {
  const jiti = createJiti(import.meta.url, {
    alias: {
      "goalpost/testing": fileURLToPath(new URL("../testing/index.js", import.meta.url)),
      goalpost: fileURLToPath(new URL("../index.js", import.meta.url)),
    },
  });
  try {
    return await jiti.import(path, { default: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const where = error instanceof Error ? firstPlace(error.stack) : "";
    throw new GoalpostError("INVALID_INPUT", `the app ${path} could not be loaded: ${message}${where}`, {
      cause: error,
    });
  }
}

/** The first line of a stack that names a place: enough to find the fault. */
function firstPlace(stack: string | undefined): string {
  const line = stack?.split("\n").find((text) => text.trimStart().startsWith("at "));
  return line ? ` (${line.trim()})` : "";
}
