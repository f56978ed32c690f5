import type { Clock } from "./core/clock.ts";
import type { Driver } from "./core/driver.ts";
import type { Logger } from "./core/logger.ts";
import { Observer } from "./engine/observer.ts";
import type { Connection } from "./engine/presence.ts";
import type { FleetView } from "./engine/protocol.ts";
import { listLeftBehind, listOnline, putBack } from "./store/instances.ts";
import { recoverCalls } from "./store/ledger.ts";

/** A task that was lost with its worker more often than this ends its run with POISON. */
const MAX_LOSSES = 5;

const WAKE = "wake ";
/** SQLSTATE class 40, deadlocks and the like: the database answered, if not as wished. */
const CONFLICT = /^40/;

/** A worker, as far as it is woken and told of its connection. */
interface AttendingWorker {
  readonly id: string;
  wakeAndBeat(): void;
  lockChanged(): void;
}

export interface AttendanceOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A run was ended, somewhere. */
  readonly onEnded: (runId: string) => void;
  /** Messages may have been missed. */
  readonly onMissed: () => void;
}

/**
 * A client among others: it listens for what they say, shows by a session lock that it lives, and looks for those that
 * are gone, to make what they held ready again. What it knows of them comes with the beats of one of its workers.
 */
export class Attendance implements Connection {
  readonly #o: AttendanceOptions;
  readonly #observer: Observer;
  readonly #workers = new Map<string, AttendingWorker>();
  readonly #underWay = new Set<Promise<void>>();
  /** Those that are being put back. */
  readonly #going = new Set<string>();
  #lockKey: string | null = null;
  #lockGone = false;
  #opened: Promise<() => Promise<void>> | undefined;

  constructor(options: AttendanceOptions) {
    this.#o = options;
    this.#observer = new Observer(options.clock);
  }

  get lockKey(): string | null {
    return this.#lockKey;
  }

  get lockGone(): boolean {
    return this.#lockGone;
  }

  get listening(): boolean {
    return this.#opened !== undefined && (this.#o.driver.kind === "pglite" || this.#lockKey !== null);
  }

  looks(worker: string): boolean {
    const [first] = this.#workers.keys();
    return this.#opened !== undefined && first === worker;
  }

  /** Listens from now on; a worker that is started comes first here. */
  async open(): Promise<void> {
    this.#opened ??= this.#o.driver.listen("goalpost", {
      onMessage: (message) => this.#heard(message),
      onReconnect: () => {
        this.#observer.startAgain();
        this.#o.onMissed();
      },
      onLock: (key) => {
        this.#lockKey = key;
        this.#lockGone = key === null;
        this.#each((worker) => worker.lockChanged());
      },
    });
    await this.#opened;
  }

  add(worker: AttendingWorker): void {
    this.#workers.set(worker.id, worker);
  }

  /** A worker stops: what it did not finish is ready again. */
  async remove(worker: AttendingWorker): Promise<void> {
    this.#workers.delete(worker.id);
    const { driver, logger } = this.#o;
    await putBack(driver, { worker: worker.id, status: "stopped", maxLosses: MAX_LOSSES })
      .then(() => recoverCalls(driver))
      .catch((error: unknown) =>
        logger.warn({ error: String(error) }, "could not say goodbye to the database"),
      );
  }

  async close(): Promise<void> {
    await Promise.all(this.#underWay);
    const unlisten = await this.#opened?.catch(() => undefined);
    await unlisten?.();
  }

  /** Takes what a beat told of the others. */
  saw({ others, leftBehind }: FleetView): void {
    for (const worker of others ? this.#observer.look(others) : []) {
      this.#putBack(worker, "lost");
    }
    for (const worker of leftBehind ?? []) {
      if (!this.#workers.has(worker)) {
        this.#putBack(worker, "stopped");
      } else {
        this.#run(() => recoverCalls(this.#o.driver).then(() => undefined));
      }
    }
  }

  /** A call was not answered: nothing was seen. */
  missed(error: unknown): void {
    const code = (error as { code?: unknown } | null)?.code;
    if (!(typeof code === "string" && CONFLICT.test(code))) {
      this.#observer.startAgain();
    }
  }

  #heard(message: string): void {
    if (message === WAKE.trim()) {
      this.#each((worker) => worker.wakeAndBeat());
      return;
    }
    if (!message.startsWith(WAKE)) {
      this.#o.onEnded(message);
      return;
    }
    for (const id of message.slice(WAKE.length).split(" ")) {
      this.#workers.get(id)?.wakeAndBeat();
    }
  }

  #each(tell: (worker: AttendingWorker) => void): void {
    for (const worker of this.#workers.values()) {
      tell(worker);
    }
  }

  #putBack(worker: string, status: "stopped" | "lost"): void {
    if (this.#going.has(worker)) {
      return;
    }
    this.#going.add(worker);
    const { driver, logger } = this.#o;
    this.#run(async () => {
      try {
        const count = await putBack(driver, { worker, status, maxLosses: MAX_LOSSES });
        if (status === "lost") {
          logger.warn({ worker, count }, "an instance was lost; its tasks are ready again");
        }
        this.#each((other) => other.wakeAndBeat());
        // After the tasks, in a transaction of its own: they are locked in another order.
        await recoverCalls(driver);
      } finally {
        this.#going.delete(worker);
      }
    });
  }

  #run(cleanUp: () => Promise<void>): void {
    const work = cleanUp()
      .catch((error: unknown) =>
        this.#o.logger.warn({ error: String(error) }, "could not put back what a worker held"),
      )
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }
}

/** Nobody else can be using the database: whoever is still listed is dead. */
export async function takeAllForLost(driver: Driver): Promise<void> {
  for (const worker of await listOnline(driver)) {
    await putBack(driver, { worker, status: "lost", maxLosses: MAX_LOSSES });
  }
  for (const worker of await listLeftBehind(driver)) {
    await putBack(driver, { worker, status: "stopped", maxLosses: MAX_LOSSES });
  }
  await recoverCalls(driver, "all");
}
