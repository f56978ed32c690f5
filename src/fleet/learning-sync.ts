import type { Driver } from "../core/driver.ts";
import type { Estimates } from "../core/estimates.ts";
import type { Logger } from "../core/logger.ts";
import { type Guidance, type Lesson, readGuidance } from "./guidance.ts";
import { guidanceState, loadGuidance, saveGuidance, saveReadSeq } from "./guidance-store.ts";
import type { UseHub } from "./hub-link.ts";
import { findHub } from "./hub-store.ts";
import { type Ignored, noteIgnored } from "./ignored.ts";
import { FleetLessons, isImplausible } from "./lessons.ts";
import { type Mail, readMail } from "./mailbox.ts";
import { DOWN_CHANNEL } from "./publication.ts";
import { sourceState } from "./source-store.ts";

/** What a {@link LearningSync} works with. */
export interface SyncOptions {
  /** The database that is to know what others learned; told the clock's time, where that is not its own. */
  readonly driver: Driver;
  readonly useHub: UseHub;
  /** What it knows itself: what contradicts that is not believed. */
  readonly estimates: (steps: readonly string[]) => Estimates | Promise<Estimates>;
  readonly logger: Logger;
}

/** What one turn of a sync did. */
export interface Synced {
  /** The version that is gone by now; 0 for none. */
  readonly version: number;
  /** Whether it is another one than before. */
  readonly applied: boolean;
  /** Messages, and entries of messages, that were not believed. */
  readonly ignored: number;
}

/** Messages read at once: more than the hub keeps. */
const PAGE = 50;

/**
 * Applies what the hub sends down: estimates of steps, how models do, what retries are worth. The newest version is
 * all that there is to know; older ones, repeated ones and those of another hub change nothing. What is out of bounds,
 * contradicts itself or what was measured here is ignored, counted and logged. It is kept in the database, so it is
 * there without the hub, and for all instances: they take turns.
 */
export class LearningSync {
  readonly #options: SyncOptions;
  #lessons = new FleetLessons();

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  /** What others learned, as of the last turn. */
  get lessons(): FleetLessons {
    return this.#lessons;
  }

  /** Looks for something new. @throws what the database throws; a hub that is away is no error, but is logged at level debug */
  async tick(): Promise<Synced> {
    const { useHub, logger } = this.#options;
    const before = this.#lessons;
    let ignored = 0;
    try {
      ignored = await useHub((hubDriver) => this.#hear(hubDriver));
    } catch (error) {
      logger.debug({ error: String(error) }, "the hub cannot be reached; what it said last is gone by");
    }
    await this.#load();
    const { version } = this.#lessons;
    return { version, applied: version !== before.version || this.#lessons.hub !== before.hub, ignored };
  }

  /** Reads what is new, and returns how much of it was ignored. */
  async #hear(hub: Driver): Promise<number> {
    const { driver, logger } = this.#options;
    const found = await findHub(hub);
    if (!found) {
      return 0;
    }
    const state = await guidanceState(driver);
    const after = state?.hub === found.id ? state.readSeq : 0;
    const mail = await readMail(hub, DOWN_CHANNEL, { after, limit: PAGE });
    const last = mail.at(-1);
    if (!last) {
      return 0;
    }
    const { guidance, ignored } = await this.#newest(mail, found.id);
    if (guidance) {
      await saveGuidance(driver, guidance, last.seq);
    } else {
      await saveReadSeq(driver, found.id, last.seq);
    }
    await noteIgnored(driver, ignored, logger);
    return ignored.length;
  }

  /** The newest that can be believed, and what cannot. */
  async #newest(
    mail: readonly Mail[],
    hub: string,
  ): Promise<{ guidance: Guidance | undefined; ignored: Ignored[] }> {
    const ignored: Ignored[] = [];
    for (const { seq, payload } of mail.toReversed()) {
      const read =
        payload === undefined ? "a message that is too large" : readGuidance(payload, { hub, version: seq });
      if (typeof read === "object") {
        const implausible = await this.#implausible(read.guidance.estimates);
        const reasons = [...read.ignored, ...implausible.map(() => CONTRADICTS)];
        ignored.push(...reasons.map((reason) => ({ sender: hub, reason })));
        const estimates = read.guidance.estimates.filter((lesson) => !implausible.includes(lesson));
        return { guidance: { ...read.guidance, estimates }, ignored };
      }
      ignored.push({ sender: "unknown", reason: read });
    }
    return { guidance: undefined, ignored };
  }

  async #implausible(lessons: readonly Lesson[]): Promise<Lesson[]> {
    const own = await this.#options.estimates([...new Set(lessons.map(({ kind }) => kind))]);
    return lessons.filter((lesson) => {
      const { kind: step, model } = lesson;
      return isImplausible(lesson, own.of(model === "" ? { step } : { step, model }));
    });
  }

  async #load(): Promise<void> {
    const { driver } = this.#options;
    const state = await guidanceState(driver);
    const { hub, version } = this.#lessons;
    if (!state || (state.hub === hub && state.version === version)) {
      return;
    }
    const guidance = await loadGuidance(driver, state);
    if (guidance) {
      this.#lessons = new FleetLessons(guidance, (await sourceState(driver)).source);
    } else if (state.version === 0) {
      this.#lessons = new FleetLessons();
    }
  }
}

const CONTRADICTS = "run times that contradict what was measured here";
