import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Driver, Queryable } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";
import { compileLessons, type Lessons } from "./compile.ts";
import type { Guidance } from "./guidance.ts";
import { type HubState, mergePublication, readStatements, saveState, takeTurn } from "./hub-store.ts";
import { type Ignored, noteIgnored } from "./ignored.ts";
import { dropMail, lockChannel, type Mail, readMail, sendMail } from "./mailbox.ts";
import { DOWN_CHANNEL, FORMAT, readPublication, UP_CHANNEL } from "./publication.ts";

/** What a hub works with. */
export interface HubParts {
  /** A driver that tells the database the clock's time. */
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one turn of a hub did. */
export interface HubTurn {
  /** Messages that were read. */
  readonly messages: number;
  /** Of them and their entries, those that were not believed. */
  readonly ignored: number;
  /** The version that was sent; null if there was nothing new to say. */
  readonly version: number | null;
}

const NOTHING: HubTurn = { messages: 0, ignored: 0, version: null };

/** Messages of one transaction. */
const PAGE = 50;
/** Sources read the newest; those before it are kept for people. */
const KEPT_VERSIONS = 20;
/** Samples age: after that long it is looked at again whether they say something else. */
const COMPILE_AGAIN_MS = 600_000;

/**
 * The place where databases learn from each other. Each turn is one transaction: reading what was published, merging
 * it, acknowledging it, and sending what follows from all of it. A hub that is killed in the middle of it has done
 * nothing, and its next turn, or that of another hub, does it all: hubs of one database take turns.
 */
export class FleetHub {
  readonly #parts: HubParts;
  #compiledAt = Number.NEGATIVE_INFINITY;

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /** Merges all that was published until now and sends what is new; see {@link HubTurn}. */
  async tick(): Promise<HubTurn> {
    let sum = NOTHING;
    for (;;) {
      const turn = await this.#parts.driver.transaction((tx) => this.#turn(tx));
      sum = {
        messages: sum.messages + turn.messages,
        ignored: sum.ignored + turn.ignored,
        version: turn.version ?? sum.version,
      };
      if (turn.messages < PAGE) {
        return sum;
      }
    }
  }

  async #turn(tx: Queryable): Promise<HubTurn> {
    const { logger } = this.#parts;
    const before = await takeTurn(tx);
    if (!before) {
      return NOTHING;
    }
    const mail = await readMail(tx, UP_CHANNEL, { after: before.readSeq, limit: PAGE });
    const ignored = await this.#merge(tx, mail);
    await noteIgnored(tx, ignored, logger);
    const readSeq = mail.at(-1)?.seq ?? before.readSeq;
    await dropMail(tx, UP_CHANNEL, readSeq);
    const after = await this.#send(tx, { ...before, readSeq }, mail.length);
    await saveState(tx, after);
    const version = after.version === before.version ? null : after.version;
    return { messages: mail.length, ignored: ignored.length, version };
  }

  async #merge(tx: Queryable, mail: readonly Mail[]): Promise<Ignored[]> {
    const ignored: Ignored[] = [];
    for (const { payload } of mail) {
      const read = payload === undefined ? "a message that is too large" : readPublication(payload);
      if (typeof read === "string") {
        ignored.push({ sender: "unknown", reason: read });
        continue;
      }
      ignored.push(...read.ignored.map((reason) => ({ sender: read.source, reason })));
      await mergePublication(tx, read);
    }
    return ignored;
  }

  /** Sends what follows from all that is known, if it is not what was sent last. */
  async #send(tx: Queryable, state: HubState, messages: number): Promise<HubState> {
    const nowMs = this.#parts.clock.now();
    if (messages === PAGE) {
      // There is more: what follows from it is sent at the end, by whoever takes the next turn.
      return { ...state, digest: "" };
    }
    if (messages === 0 && state.digest !== "" && nowMs - this.#compiledAt < COMPILE_AGAIN_MS) {
      return state;
    }
    const lessons = compileLessons(await readStatements(tx), nowMs);
    this.#compiledAt = nowMs;
    const digest = createHash("sha256").update(JSON.stringify(lessons)).digest("hex");
    const isNothing = state.version === 0 && lessons.estimates.length + lessons.routing.length === 0;
    return isNothing || digest === state.digest
      ? state
      : { ...state, digest, version: await this.#sendDown(tx, state, lessons) };
  }

  async #sendDown(tx: Queryable, { id }: HubState, lessons: Lessons): Promise<number> {
    // The place in the channel is the version: nobody can send one that is ahead of the hub's.
    const version = (await lockChannel(tx, DOWN_CHANNEL)) + 1;
    const guidance: Guidance = { format: FORMAT, hub: id, version, ...lessons };
    const body = JSON.stringify(guidance);
    const seq = await sendMail(tx, DOWN_CHANNEL, body);
    if (seq !== version) {
      throw new Error(
        `the channel ${DOWN_CHANNEL} was made by somebody else meanwhile; the turn is taken again`,
      );
    }
    await dropMail(tx, DOWN_CHANNEL, version - KEPT_VERSIONS);
    return version;
  }
}
