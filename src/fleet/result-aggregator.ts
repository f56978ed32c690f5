import type { Clock } from "../core/clock.ts";
import type { Driver, Queryable } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import { Sketch } from "../core/sketch.ts";
import { type Evidence, type EvidenceKey, evidenceJson, keyText } from "./evidence.ts";
import type { UseHub } from "./hub-link.ts";
import { acknowledgedSeq, findHub } from "./hub-store.ts";
import { sendMail } from "./mailbox.ts";
import { FORMAT, MAX_ENTRIES, type Publication, UP_CHANNEL } from "./publication.ts";
import {
  countOutbox,
  dropOutbox,
  lockSource,
  markSent,
  putOut,
  readOutbox,
  readPublished,
  type Stamp,
  saveSource,
  sourceState,
  startOver,
} from "./source-store.ts";

/** The statistics of a database, as they are published. */
export interface Statistics {
  /** All keys that there are, with what tells whether something is new. */
  stamps(db: Queryable): Promise<readonly Stamp[]>;
  /** What is known of some of them; what is gone meanwhile is left out. */
  load(db: Queryable, keys: readonly EvidenceKey[]): Promise<readonly Evidence[]>;
}

/** What a {@link ResultAggregator} works with. */
export interface AggregatorOptions {
  /** The database whose statistics are published. */
  readonly driver: Driver;
  readonly statistics: Statistics;
  readonly useHub: UseHub;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one turn of an aggregator did. */
export interface Published {
  /** Publications that were written. */
  readonly written: number;
  /** Publications that reached the hub's database. */
  readonly sent: number;
  /** Publications that the hub has yet to acknowledge. */
  readonly waiting: number;
}

/** Publications that wait at most. With so many nothing is written: it stays in the statistics, where it adds up. */
const MAX_OUTBOX = 16;
/** Without an acknowledgement for that long it is sent again. */
const SEND_AGAIN_MS = 120_000;

/**
 * Publishes what a database has learned: up, to its hub. Each turn writes what is new since the last publication into
 * an outbox, in the transaction that marks it as published; sends what is in the outbox, in order, to a channel of the
 * hub's database; and removes what the hub has acknowledged. A publication holds all that is known of a kind of work,
 * not what was added: it may arrive twice or late, or be replaced by the next one. While the hub is away statistics go
 * on adding up where they are, and the outbox holds at most 16 publications.
 *
 * All instances of a database may have one: they take turns.
 */
export class ResultAggregator {
  readonly #options: AggregatorOptions;

  constructor(options: AggregatorOptions) {
    this.#options = options;
  }

  /** Publishes what is new. @throws what the database throws; a hub that is away is no error, but is logged at level debug */
  async tick(): Promise<Published> {
    const { driver } = this.#options;
    // What it has acknowledged makes room for what is new.
    const isThere = (await this.#reach((hub) => this.#hear(hub))) !== undefined;
    const written = await this.#writeAll();
    const sent = isThere ? await this.#reach((hub) => this.#send(hub)) : 0;
    return { written, sent: sent ?? 0, waiting: await countOutbox(driver) };
  }

  /** Undefined if the hub cannot be reached. */
  async #reach<T>(work: (hub: Driver) => Promise<T>): Promise<T | undefined> {
    const { useHub, logger } = this.#options;
    try {
      return await useHub(work);
    } catch (error) {
      logger.debug({ error: String(error) }, "the hub cannot be reached; what was learned waits");
      return undefined;
    }
  }

  async #writeAll(): Promise<number> {
    const { driver } = this.#options;
    for (let written = 0; ; written++) {
      if (!(await driver.transaction((tx) => this.#write(tx)))) {
        return written;
      }
    }
  }

  /** Writes one publication; false if there is nothing new, or no room. */
  async #write(tx: Queryable): Promise<boolean> {
    const { statistics } = this.#options;
    const state = await lockSource(tx);
    if ((await countOutbox(tx)) >= MAX_OUTBOX) {
      return false;
    }
    const news = (await this.#news(tx)).slice(0, MAX_ENTRIES);
    if (news.length === 0) {
      return false;
    }
    const there = new Map((await statistics.load(tx, news)).map((one) => [keyText(one), one]));
    const seq = state.seq + 1;
    const publication: Publication = {
      format: FORMAT,
      source: state.source,
      seq,
      evidence: news.map((key) => evidenceJson(there.get(keyText(key)) ?? this.#nothing(key))),
    };
    await putOut(tx, { seq, body: JSON.stringify(publication), marks: news });
    await saveSource(tx, { ...state, seq });
    return true;
  }

  /** Keys whose statistics are not what was published of them. */
  async #news(tx: Queryable): Promise<Stamp[]> {
    const published = new Map((await readPublished(tx)).map((one) => [keyText(one), one]));
    const news: Stamp[] = [];
    for (const one of await this.#options.statistics.stamps(tx)) {
      const key = keyText(one);
      if (published.get(key)?.stamp !== one.stamp) {
        news.push(one);
      }
      published.delete(key);
    }
    // What is left was forgotten here, and is to be forgotten there.
    const gone = [...published.values()].filter(({ stamp }) => stamp !== GONE);
    return [...news, ...gone.map((one) => ({ ...one, stamp: GONE }))];
  }

  #nothing({ topic, kind, model }: EvidenceKey): Evidence {
    const none = { samples: 0, logMean: 0, logVariance: 0, times: new Sketch(), successes: 0, failures: 0 };
    const rest = { costUsd: null, inputTokens: 0, outputTokens: 0, retries: [] };
    return { topic, kind, model, ...none, ...rest, lastAt: this.#options.clock.now() };
  }

  /**
   * What the hub has merged is removed. If it is another hub, or has forgotten something, all is published again.
   * @returns whether it is
   */
  async #hear(hub: Driver): Promise<boolean> {
    const { driver } = this.#options;
    const found = await findHub(hub);
    if (!found) {
      return false;
    }
    const before = await sourceState(driver);
    const acked = await acknowledgedSeq(hub, before.source);
    if (found.id === before.hub && acked === before.acked) {
      return false;
    }
    return driver.transaction(async (tx) => {
      const state = await lockSource(tx);
      // Ahead of us: this database was restored from a backup, and goes on behind what it forgot.
      const seq = Math.max(state.seq, acked);
      await saveSource(tx, { ...state, hub: found.id, acked, seq });
      await dropOutbox(tx, acked);
      const isOther = state.hub !== null && state.hub !== found.id;
      const again = isOther || acked < before.acked || acked > state.seq;
      if (again) {
        await startOver(tx);
      }
      return again;
    });
  }

  /** In order, and none before the one in front of it has arrived: an acknowledgement is for all up to one. */
  async #send(hub: Driver): Promise<number> {
    const { driver, clock } = this.#options;
    const now = new Date(clock.now());
    const due = await readOutbox(driver, new Date(now.getTime() - SEND_AGAIN_MS));
    for (const { seq, body } of due) {
      await sendMail(hub, UP_CHANNEL, body);
      await markSent(driver, seq, now);
    }
    return due.length;
  }
}

/** The stamp of what is not there any more. */
const GONE = "gone";
