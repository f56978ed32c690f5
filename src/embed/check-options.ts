import type { EmbedOptions } from "../core/embed-options.ts";
import { GoalpostError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";

/** What says where a model is served: one of these, and what goes with it. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  provider: ["model", "dimensions", "batchSize"],
  baseUrl: ["model", "dimensions", "batchSize", "apiKey", "headers", "fetch"],
  path: ["pooling", "dtype", "dimensions", "batchSize"],
  of: [],
};

/** @throws INVALID_INPUT for options of `embed` that make no sense */
export function checkEmbedOptions(options: EmbedOptions | undefined): void {
  const given: unknown = options ?? {};
  if (!isObject(given)) {
    refuse("embed must be an object: { model, models, local }");
  }
  refuseOthers("embed", given, ["model", "models", "local"]);
  const { model, models = {}, local = {} } = given;
  if (model !== undefined) {
    checkText("embed.model", model);
  }
  if (!isObject(models)) {
    refuse("embed.models must be an object of models by name");
  }
  for (const [name, entry] of Object.entries(models)) {
    checkEntry(name, entry);
  }
  if (!isObject(local)) {
    refuse("embed.local must be { cacheDir, allowRemote }");
  }
  refuseOthers("embed.local", local, ["cacheDir", "allowRemote"]);
  if (local.cacheDir !== undefined) {
    checkText("embed.local.cacheDir", local.cacheDir);
  }
  if (local.allowRemote !== undefined && typeof local.allowRemote !== "boolean") {
    refuse("embed.local.allowRemote must be true or false");
  }
}

function checkEntry(name: string, entry: unknown): void {
  const what = `embed.models[${JSON.stringify(name)}]`;
  if (name.trim() === "" || name.includes("/") || /^(local|hash(-\d+)?)$/.test(name)) {
    refuse(`${what}: the name must be a text without "/", and not local or hash, which are there already`);
  }
  if (isObject(entry) && typeof entry.embed === "function") {
    checkEmbedder(what, entry);
    return;
  }
  const places = isObject(entry) ? Object.keys(PLACES).filter((place) => entry[place] !== undefined) : [];
  const [place, another] = places;
  if (!isObject(entry) || place === undefined || another !== undefined) {
    refuse(`${what} must say where the model is: one of { provider }, { baseUrl }, { path } or { of }`);
  }
  refuseOthers(what, entry, [place, ...(PLACES[place] ?? [])]);
  if (place === "of") {
    checkParts(what, entry.of);
    return;
  }
  checkText(`${what}.${place}`, entry[place]);
  if (place === "baseUrl" && !URL.canParse(entry.baseUrl as string)) {
    refuse(`${what}.baseUrl must be a URL, such as http://localhost:8000/v1`);
  }
  checkCount(`${what}.dimensions`, entry.dimensions);
  checkCount(`${what}.batchSize`, entry.batchSize);
  if (entry.pooling !== undefined && !["mean", "cls", "last_token"].includes(entry.pooling as string)) {
    refuse(`${what}.pooling must be "mean", "cls" or "last_token"`);
  }
}

function checkParts(what: string, of: unknown): void {
  if (!Array.isArray(of) || of.length < 2 || !of.every((one) => typeof one === "string" && one !== "")) {
    refuse(`${what}.of must be a list of the names of two or more models`);
  }
}

function checkEmbedder(what: string, entry: Readonly<Record<string, unknown>>): void {
  checkText(`${what}.provider`, entry.provider);
  checkText(`${what}.model`, entry.model);
  checkCount(`${what}.batchSize`, entry.batchSize ?? 0);
  checkCount(`${what}.batchTokens`, entry.batchTokens ?? 0);
  checkCount(`${what}.dimensions`, entry.dimensions ?? undefined);
}

function checkCount(what: string, value: unknown): void {
  if (value !== undefined && !(typeof value === "number" && Number.isInteger(value) && value >= 1)) {
    refuse(`${what} must be a whole number ≥ 1`);
  }
}

function checkText(what: string, value: unknown): void {
  if (typeof value !== "string" || value.trim() === "") {
    refuse(`${what} must be a text that is not empty`);
  }
}

function refuseOthers(
  what: string,
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
): void {
  const others = Object.keys(given).filter((key) => !known.includes(key));
  if (others.length > 0) {
    refuse(`${what} has ${others.join(", ")}; it may have ${known.join(", ")}`);
  }
}

function refuse(message: string): never {
  throw new GoalpostError("INVALID_INPUT", message);
}
