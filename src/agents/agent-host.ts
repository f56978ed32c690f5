import { toErrorRecord } from "../core/error-record.ts";
import { GoalpostError } from "../core/errors.ts";
import { Handling, type HandlingParts } from "./handling.ts";
import type { HandedStream, Held, Parcel, StreamReport } from "./mail-protocol.ts";

export interface AgentHostOptions extends Omit<HandlingParts, "leaveSlot"> {
  readonly concurrency: number;
  /** There is room again: streams can be taken. */
  readonly onRoom: () => void;
}

/** A stream that is being worked through. */
interface Work {
  readonly held: Held;
  handling: Handling | undefined;
  /** Why it goes no further. */
  stopped: GoalpostError | undefined;
}

/**
 * The messages of one agent, handled in this process: of each sender one after the other, of several senders at once.
 */
export class AgentHost {
  readonly #options: AgentHostOptions;
  readonly #work = new Set<Work>();
  /** Slots in use: streams under way, but for those that wait for what others do. */
  #active = 0;
  #taking = true;
  #quiet: (() => void)[] = [];
  #ended: (() => void)[] = [];
  #count = 0;

  constructor(options: AgentHostOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.agent;
  }

  /** Streams that it can take now. */
  get room(): number {
    return this.#taking ? Math.max(0, this.#options.concurrency - this.#active) : 0;
  }

  /** Messages whose handling has begun. */
  get count(): number {
    return this.#count;
  }

  take(stream: HandedStream): void {
    const work: Work = {
      held: { stream: stream.stream, delivery: stream.delivery },
      handling: undefined,
      stopped: undefined,
    };
    this.#work.add(work);
    this.#active += 1;
    void this.#through(work, stream).finally(() => {
      this.#work.delete(work);
      this.#leave();
      if (this.#work.size === 0) {
        release(this.#ended);
      }
    });
  }

  /** It no longer holds that stream: what it does there is in vain. */
  lost({ stream, delivery }: Held): void {
    this.#stop(({ held }) => held.stream === stream && held.delivery === delivery, lostError());
  }

  /** Others may take what is under way. */
  lapsed(): void {
    this.#stop(() => true, lostError());
  }

  /** Resolves when everything under way is handled, or waits for what others do. */
  quiet(): Promise<void> {
    return this.#active === 0 ? Promise.resolve() : new Promise((resolve) => this.#quiet.push(resolve));
  }

  /** Begins nothing more; resolves when what is under way has ended, by itself or aborted. */
  drain(): Promise<void> {
    this.#taking = false;
    return this.#work.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#ended.push(resolve));
  }

  /** Aborts what is under way: it is given back. */
  abort(): void {
    this.#stop(() => true, new GoalpostError("CANCELLED", "the client is closing"));
  }

  #stop(which: (work: Work) => boolean, reason: GoalpostError): void {
    for (const work of this.#work) {
      if (which(work)) {
        work.stopped = reason;
        work.handling?.abort(reason);
      }
    }
  }

  /** Whatever happens, the stream is let go of in the end. */
  async #through(work: Work, { messages, lastSeq }: HandedStream): Promise<void> {
    const last = messages.at(-1);
    if (!last) {
      this.#report(work, { doneSeq: lastSeq, word: "release" });
      return;
    }
    let doneSeq = (messages[0]?.seq ?? 1) - 1;
    for (const message of messages) {
      if (work.stopped || !this.#taking) {
        this.#report(work, { doneSeq, word: "release" });
        return;
      }
      this.#count += 1;
      const leaveSlot = (): (() => void) => this.#leaveSlot();
      work.handling = new Handling({ ...this.#options, leaveSlot }, work.held, message);
      const ending = await work.handling.run();
      if (ending.how === "given back") {
        this.#report(work, { doneSeq, word: "release" });
        return;
      }
      if (ending.how === "retry") {
        this.#report(work, { doneSeq, word: "retry", delayMs: ending.delayMs }, ending.parcel);
        return;
      }
      doneSeq = message.seq;
      this.#report(work, { doneSeq, word: message === last ? "release" : "hold" }, ending.parcel);
    }
  }

  /** It waits for no answer: the next message begins while this is on its way. */
  #report(
    { held }: Work,
    report: Pick<StreamReport, "doneSeq" | "word"> & { readonly delayMs?: number },
    parcel: Omit<Parcel, "report"> = {},
  ): void {
    const { logger, agent, store } = this.#options;
    const full = { ...held, delayMs: 0, ...report };
    store({ ...parcel, report: full }).catch((error: unknown) => {
      logger.error({ agent, error: String(error) }, "what a message led to could not be stored");
      // The database would not have it: the message fails with that, and the stream goes on.
      const value = JSON.stringify(toErrorRecord(error));
      const note = parcel.note && { ...parcel.note, word: "dead" as const, value };
      store({ note, report: full }).catch(() => undefined);
    });
  }

  #leaveSlot(): () => void {
    this.#leave();
    return () => {
      this.#active += 1;
    };
  }

  #leave(): void {
    this.#active -= 1;
    if (this.#active === 0) {
      release(this.#quiet);
    }
    if (this.room > 0) {
      this.#options.onRoom();
    }
  }
}

function release(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) {
    resolve();
  }
}

function lostError(): GoalpostError {
  return new GoalpostError("LEASE_LOST", "the message is no longer this process's: another one may have it");
}
