/** One system under measurement. Every file in systems/ exports one as `system`. */
export interface System {
  /** Runs in flight while throughput is measured: what suits this system best. */
  readonly inFlight: number;
  /** Sets the system up in an empty database and starts its worker in this process. */
  readonly open: (database: string, options: OpenSystemOptions) => Promise<OpenedSystem>;
}

export interface OpenSystemOptions {
  /** A file with absurd's schema, which its npm package lacks; null: fetched from its release. */
  readonly absurdSchema: string | null;
}

export interface OpenedSystem {
  /**
   * One durable run of three steps, each given the output of the one before: x + 1, then times 2, then + 1.
   * Resolves with the last output.
   */
  readonly run: (x: number) => Promise<number>;
  readonly close: () => Promise<void>;
}

/** What the three steps make of x. */
export function expected(x: number): number {
  return (x + 1) * 2 + 1;
}
