import type { Driver } from "../core/driver.ts";

/** Gives the hub's database to `work`. @throws whatever tells that it cannot be reached now */
export type UseHub = <T>(work: (hub: Driver) => Promise<T>) => Promise<T>;
