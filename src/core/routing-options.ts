/** How "auto" becomes a model: by the table alone, or by what past answers taught. */
export type RoutingMode = "table" | "learned";

/** How models are chosen for requests that leave it to "auto". */
export interface RoutingOptions {
  /** Default "learned" where other options are given. */
  readonly mode?: RoutingMode | undefined;
  /**
   * The quality, 0 to 1, that a model should reach: one that its answers say is below it is never chosen while another
   * is above. Default 0.3.
   */
  readonly floor?: number | undefined;
  /**
   * The price of money: what of quality it is worth not to spend what the dearest candidate costs. It rises as the
   * budget drains. Default 0.1: a model that is free is preferred unless the dearest is right 10 % more often.
   */
  readonly lambda?: number | undefined;
  /** The same in US dollars, in place of `lambda`: what an answer that is right is worth over one that is wrong. */
  readonly priceOfQualityUsd?: number | undefined;
  /** The price of time: what of quality it is worth not to wait as long as the slowest candidate takes. Default 0. */
  readonly mu?: number | undefined;
  /**
   * The share of requests whose model is drawn from all that reach the floor, so that none is forgotten. Only where it
   * is safe: no tools with side effects, off the critical path, not `strict`. Default 0.02.
   */
  readonly exploration?: number | undefined;
  /** Nothing is tried out: the best of the models that are known, the table's as long as it is not. Default false. */
  readonly strict?: boolean | undefined;
}

/** Options with nothing left out. */
export interface ResolvedRouting {
  readonly mode: RoutingMode;
  readonly floor: number;
  readonly lambda: number;
  /** Null: `lambda` is used. */
  readonly priceOfQualityUsd: number | null;
  readonly mu: number;
  readonly exploration: number;
  readonly strict: boolean;
}
