import type { Driver } from "../core/driver.ts";
import type { Logger } from "../core/logger.ts";

/** Notifications: `w AGENT AGENT …` (messages; `w *` for any agent) or `r CLIENT CLIENT …` (replies). */
const NOTIFY_CHANNEL = "goalpost_agents";

export interface AgentBellOptions {
  readonly driver: Driver;
  readonly logger: Logger;
  /** There may be messages to some agents; null: to any. */
  readonly onMessages: (agents: readonly string[] | null) => void;
  /** There may be replies for some clients. */
  readonly onReplies: (clients: readonly string[]) => void;
  /** Something may have been missed. */
  readonly onReconnect: () => void;
}

/** LISTEN for messages and replies. What is not heard, the polls find. */
export class AgentBell {
  readonly #options: AgentBellOptions;
  #listening: Promise<(() => Promise<void>) | undefined> | undefined;

  constructor(options: AgentBellOptions) {
    this.#options = options;
  }

  /** Resolves once it listens, or has failed to. */
  async start(): Promise<void> {
    this.#listening ??= this.#listen();
    await this.#listening;
  }

  async stop(): Promise<void> {
    const stop = await this.#listening;
    await stop?.();
  }

  async #listen(): Promise<(() => Promise<void>) | undefined> {
    const { driver, logger, onReconnect } = this.#options;
    try {
      return await driver.listen(NOTIFY_CHANNEL, {
        onMessage: (payload) => this.#heard(payload),
        onReconnect,
      });
    } catch (error) {
      logger.warn({ error: String(error) }, "LISTEN failed; inboxes are looked into twice a second instead");
      this.#listening = undefined;
      return undefined;
    }
  }

  #heard(payload: string): void {
    const [kind, ...names] = payload.split(" ");
    if (kind === "r") {
      this.#options.onReplies(names);
    } else {
      this.#options.onMessages(names[0] === "*" ? null : names);
    }
  }
}
