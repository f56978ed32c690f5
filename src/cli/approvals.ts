import { userInfo } from "node:os";
import { createInterface } from "node:readline";
import { type Goalpost, GoalpostError, type RunRecord, renderTree, type TaskGraph } from "../index.ts";
import { printable } from "./format.ts";
import { reportError } from "./report-error.ts";
import type { RunView } from "./run-view.ts";
import { isEmbedded } from "./session.ts";

export interface ApprovalOptions {
  readonly approvePlan?: boolean;
  readonly yes?: boolean;
  readonly database?: string;
}

/** The name under which a plan as a whole is approved. */
const PLAN = "plan";

/** Where somebody may be. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly out: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

function canAsk({ input, out }: Terminal): boolean {
  return input.isTTY === true && out.isTTY === true;
}

/** @throws INVALID_INPUT if the plan is to be approved, and nobody can do so */
export function checkApprover(options: ApprovalOptions, terminal: Terminal): void {
  if (options.approvePlan && !options.yes && !canAsk(terminal) && isEmbedded(options.database)) {
    throw new GoalpostError(
      "INVALID_INPUT",
      "--approve-plan asks on a terminal, and this is none; from elsewhere a plan can be approved only on a PostgreSQL server (--database), or say --yes",
    );
  }
}

export interface ApprovalsOptions extends Terminal {
  readonly runId: string;
  readonly yes?: boolean | undefined;
}

/** What somebody is asked about, and in which words. */
interface Waiting {
  readonly id: string;
  readonly what: string;
}

/** The part of a run that says whether its plan waits. */
interface AskedPlan {
  readonly planApproval?: { readonly status: string; readonly proposed: unknown } | null;
}

function waitingIn(run: RunRecord): Waiting[] {
  const { planApproval } = run as AskedPlan;
  if (planApproval?.status === "waiting") {
    const { tasks } = planApproval.proposed as TaskGraph;
    return [{ id: PLAN, what: `${printable(renderTree(tasks))}\nThe plan` }];
  }
  return run.tasks
    .filter(({ approval, status }) => approval?.status === "waiting" && status === "suspended")
    .map(({ id, description }) => ({ id, what: `Task ${id} (${printable(description)})` }));
}

/** Asks about what waits for approval, or says how to approve it. */
export class Approvals {
  readonly #gp: Goalpost;
  readonly #o: ApprovalsOptions;
  readonly #seen = new Set<string>();
  readonly #closed = new AbortController();
  #asking: Promise<void> = Promise.resolve();

  constructor(gp: Goalpost, options: ApprovalsOptions) {
    this.#gp = gp;
    this.#o = options;
  }

  look(run: RunRecord, view: Pick<RunView, "hold">): void {
    for (const { id, what } of waitingIn(run)) {
      if (!this.#seen.has(id)) {
        this.#seen.add(id);
        // One question at a time.
        this.#asking = this.#asking
          .then(() => view.hold(() => this.#decide(id, what)))
          .catch((error: unknown) => {
            if (!this.#closed.signal.aborted) {
              reportError(error);
            }
          });
      }
    }
  }

  /** Asks nothing more. */
  close(): void {
    this.#closed.abort();
  }

  async #decide(id: string, what: string): Promise<void> {
    const { runId, out, yes } = this.#o;
    if (this.#closed.signal.aborted) {
      return;
    }
    if (yes) {
      await this.#gp.runs.approve(runId, id, { by: whoIsIt(), note: "--yes" });
    } else if (!canAsk(this.#o)) {
      out.write(`${what} waits for approval:\n  goalpost approve ${runId} ${id} --by NAME\n`);
      out.write(`  goalpost reject ${runId} ${id} --by NAME --reason TEXT\n`);
    } else if (await this.#ask(`${what} waits for approval. Go on? [y/n] `)) {
      await this.#gp.runs.approve(runId, id, { by: whoIsIt() });
    } else {
      await this.#gp.runs.reject(runId, id, { by: whoIsIt(), reason: "not approved on the terminal" });
    }
  }

  /** Asks until there is an answer; if nobody is there any more, it is no. @throws the reason once it is closed */
  async #ask(question: string): Promise<boolean> {
    const { input, out } = this.#o;
    const { signal } = this.#closed;
    // No terminal of its own: Ctrl-C is to interrupt the run.
    const lines = createInterface({ input, terminal: false });
    const stop = (): void => lines.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      out.write(question);
      for await (const line of lines) {
        const answer = line.trim().toLowerCase();
        if (/^(?:y|yes|n|no)$/.test(answer)) {
          return answer.startsWith("y");
        }
        out.write(question);
      }
      signal.throwIfAborted();
      return false;
    } finally {
      signal.removeEventListener("abort", stop);
      lines.close();
    }
  }
}

/** The name of the person at the machine. */
function whoIsIt(): string {
  try {
    return userInfo().username || "command line";
  } catch {
    return "command line";
  }
}
