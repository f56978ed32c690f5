import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";

/** The version in package.json. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
).version;

/** The database that is used when none is named. */
export function databaseFromEnvironment(): string {
  // biome-ignore lint/style/noProcessEnv: the documented default of Goalpost.open.
  const { GOALPOST_DATABASE_URL, DATABASE_URL } = process.env;
  return GOALPOST_DATABASE_URL || DATABASE_URL || "pglite:.goalpost/db";
}

/** What this process is called when it is given no name. */
export function defaultInstanceId(): string {
  // biome-ignore lint/style/noProcessEnv: the documented default of Goalpost.open.
  return process.env.INSTANCE_ID || `${hostname()}:${process.pid}`;
}

/** Where downloaded embedding models are kept. */
export function modelCacheDir(): string {
  // biome-ignore lint/style/noProcessEnv: the documented default of Goalpost.open's option embed.
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "goalpost", "models");
}

const LLM_VARIABLES = [
  "OPENAI_API_KEY",
  "OPENAI_BASE_URL",
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_BASE_URL",
  "GEMINI_API_KEY",
  "GOOGLE_API_KEY",
  "GOOGLE_GEMINI_BASE_URL",
];

/** What the environment says of LLM providers: their keys, and where they are if not at their vendors'. */
export function llmEnvironment(): Readonly<Record<string, string | undefined>> {
  // biome-ignore lint/style/noProcessEnv: the documented default of Goalpost.open's option llm.
  return Object.fromEntries(LLM_VARIABLES.map((name) => [name, process.env[name]]));
}
