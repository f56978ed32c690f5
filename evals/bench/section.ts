/** What a measurement is given. */
export interface BenchContext {
  /** Address of a PostgreSQL server's maintenance database; measurements make databases beside it. */
  readonly server: string;
  /** The size to use: the full one, or with --quick a twentieth of it, to see that everything works. */
  readonly size: (full: number) => number;
}

/** One measurement of the bench. */
export interface Section {
  /** Its key in the report, and its name for --only. */
  readonly name: string;
  /** False if it runs without a PostgreSQL server. */
  readonly needsServer: boolean;
  /** Measures, and says the figures in lines of text as well. */
  readonly run: (context: BenchContext) => Promise<{ readonly figures: unknown; readonly lines: string[] }>;
}

/** Makes a section from a measurement and the words for its figures. */
export function section<T>(
  name: string,
  measure: (context: BenchContext) => Promise<T>,
  describe: (figures: T) => string[],
): Section {
  return {
    name,
    needsServer: true,
    run: async (context) => {
      const figures = await measure(context);
      return { figures, lines: describe(figures) };
    },
  };
}
