import type { Clock } from "../core/clock.ts";
import { queueLane } from "../core/lanes.ts";
import { Lease } from "./lease.ts";
import type { FleetView } from "./protocol.ts";

/** What a client knows of its own connection, for all its workers. */
export interface Connection {
  /** The key of the session lock that the listening connection holds; null if it holds none. */
  readonly lockKey: string | null;
  /** It held one, and is connecting again. */
  readonly lockGone: boolean;
  /** Notifications arrive here. */
  readonly listening: boolean;
  /** Whether this worker's beats look after the other instances: one of a client's does. */
  looks(worker: string): boolean;
}

/** A worker that nobody looks after: it looks after nobody, and is told nothing. */
const ALONE: Connection = { lockKey: null, lockGone: false, listening: false, looks: () => false };

/** What a worker serves, and says of itself. */
export interface PresenceOptions {
  readonly id: string;
  /** The lanes that it serves in any case. */
  readonly lanes: readonly string[];
  /** The queues whose tasks it takes, as far as its capabilities allow. Default: none. */
  readonly queues?: readonly string[] | undefined;
  readonly capabilities?: readonly string[] | undefined;
  /** Whether there is any code here for the tasks of others. Default: yes. */
  readonly servesQueues?: (() => boolean) | undefined;
  readonly concurrency: number;
  readonly clock: Clock;
  /** What the instance says of itself with every beat. */
  readonly about: {
    readonly name: string;
    readonly host: string;
    readonly pid: number;
    readonly version: string;
  };
  readonly connection?: Connection | undefined;
}

/** Of this many looks one also looks for hand-outs that nobody looks after. */
const SWEEP_EVERY = 10;

/** What the database and the other instances know of a worker: its beats, the lanes it serves, how long it is trusted. */
export class Presence {
  readonly #o: PresenceOptions;
  readonly #connection: Connection;
  readonly #lease: Lease;
  readonly #queueLanes: readonly string[];
  #known: readonly string[] = [];
  #due: boolean;
  #short = false;
  #looks = 0;
  #sentAtMs = 0;

  /** @param onLapse others may think that this worker is gone: what it has under way is no longer its own */
  constructor(options: PresenceOptions, onLapse: () => void) {
    this.#o = options;
    this.#connection = options.connection ?? ALONE;
    this.#lease = new Lease(options.clock, onLapse);
    this.#queueLanes = (options.queues ?? []).map(queueLane);
    // Who takes nothing is no instance: nobody need look after it.
    this.#due = options.concurrency > 0;
  }

  /** The lanes that tasks are taken from now. */
  lanes(): readonly string[] {
    return this.#serves()
      ? [...new Set([...this.#o.lanes, ...this.#queueLanes, ...this.#known])]
      : this.#o.lanes;
  }

  /** The next call carries a beat. */
  dueNow(): void {
    this.#due = true;
  }

  /** The beat, if it is due. @param running tasks under way */
  take(running: number): string | null {
    if (!this.#due) {
      return null;
    }
    this.#due = false;
    this.#sentAtMs = this.#o.clock.now();
    const { about, concurrency, queues = [], capabilities = [] } = this.#o;
    const look = this.#connection.looks(this.#o.id);
    this.#looks += 1;
    return JSON.stringify({
      ...about,
      queues,
      capabilities,
      lanes: this.lanes(),
      load: { running, concurrency },
      idle: this.#short && this.#serves() && this.#connection.listening,
      lockKey: this.#connection.lockKey,
      look,
      sweep: look && this.#looks % SWEEP_EVERY === 0,
    });
  }

  /** What a call was handed out. Less than there was room for: there is no more to take. */
  claimed(room: number, count: number): void {
    this.#short = count < room;
  }

  /** A beat was acknowledged. Returns whether there are lanes to serve that were not known before. */
  acknowledged(fleet: FleetView): boolean {
    this.#lease.renew(this.#sentAtMs);
    const more = fleet.lanes.some((lane) => !this.#known.includes(lane) && !this.#queueLanes.includes(lane));
    this.#known = fleet.lanes;
    return more && this.#serves();
  }

  lockChanged(): void {
    this.#due = true;
    this.#lease.lockChanged(this.#connection.lockGone);
  }

  stop(): void {
    this.#lease.stop();
  }

  #serves(): boolean {
    return this.#queueLanes.length > 0 && (this.#o.servesQueues?.() ?? true);
  }
}
