import { GoalpostError, isGoalpostError } from "../../core/errors.ts";

/**
 * Loads a vendor's SDK when it is needed first.
 * @throws NO_PROVIDER if it is not installed
 */
export async function loadSdk<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw isMissing(error, name)
      ? new GoalpostError(
          "NO_PROVIDER",
          `the package ${name} is needed to call this provider and is not installed: npm install ${name}`,
          { cause: error },
        )
      : error;
  }
}

/** Not a package that the SDK itself misses: that is another thing to install. */
function isMissing(error: unknown, name: string): boolean {
  if (isGoalpostError(error) || !(error instanceof Error)) {
    return false;
  }
  const { code } = error as { code?: unknown };
  return (
    (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && error.message.includes(`'${name}'`)
  );
}

/** Keeps what was made first; what failed is tried again the next time. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
