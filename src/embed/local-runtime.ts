import { isAbsolute } from "node:path";
import { GoalpostError } from "../core/errors.ts";

type Transformers = typeof import("@huggingface/transformers");

/** Where models of this process come from. */
export interface LocalSource {
  /** An id of the Hugging Face hub, or a directory. */
  readonly path: string;
  readonly dtype: string | undefined;
  readonly cacheDir: string;
  readonly allowRemote: boolean;
}

/** What the loaders of the package are told. */
export interface LoadOptions {
  readonly cache_dir: string;
  readonly local_files_only: boolean;
  readonly dtype: "fp32";
  readonly device: "cpu";
  readonly session_options: { readonly logSeverityLevel: 3 };
}

/**
 * Loads the package when it is needed first.
 * @throws NO_PROVIDER if it is not installed
 */
export async function loadTransformers(): Promise<Transformers> {
  let sdk: Transformers;
  try {
    sdk = await import("@huggingface/transformers");
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") {
      throw error;
    }
    throw new GoalpostError(
      "NO_PROVIDER",
      "the package @huggingface/transformers is needed to embed in this process and is not installed: " +
        "npm install @huggingface/transformers",
      { cause: error },
    );
  }
  // What a model was given is written to its log when it fails.
  sdk.env.logLevel = sdk.LogLevel.NONE;
  return sdk;
}

export function loadOptions({ path, dtype = "fp32", cacheDir, allowRemote }: LocalSource): LoadOptions {
  return {
    cache_dir: cacheDir,
    local_files_only: isDirectory(path) || !allowRemote,
    dtype: dtype as "fp32",
    device: "cpu",
    session_options: { logSeverityLevel: 3 },
  };
}

function isDirectory(path: string): boolean {
  return isAbsolute(path) || /^\.\.?[/\\]/.test(path);
}

/** What becomes of a model that cannot be loaded. */
export function loadFailure(source: LocalSource, error: unknown): GoalpostError {
  const reason = error instanceof Error ? error.message : String(error);
  const where = isDirectory(source.path)
    ? "it must be a directory with config.json, tokenizer.json and onnx/model.onnx"
    : source.allowRemote
      ? "it is downloaded from the Hugging Face hub on first use; check the id and the network"
      : `embed.local.allowRemote is false, and it is not in ${source.cacheDir}`;
  return new GoalpostError(
    "NO_PROVIDER",
    `the local embedding model "${source.path}" could not be loaded: ${where}. ${reason.slice(0, 300)}`,
    { cause: error },
  );
}
