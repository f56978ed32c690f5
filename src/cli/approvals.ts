import { userInfo } from "node:os";
import { createInterface } from "node:readline";
import { type Goalpost, GoalpostError, type RunRecord, renderTree, type TaskGraph } from "../index.ts";
import { printable, shorten } from "./format.ts";
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
  /** Of a tool's call: which one. */
  readonly call?: string | undefined;
  readonly what: string;
}

function waitingIn({ planApproval, tasks }: RunRecord): Waiting[] {
  if (planApproval?.status === "waiting") {
    const plan = planApproval.proposed as unknown as TaskGraph;
    return [{ id: PLAN, what: `${printable(renderTree(plan.tasks))}\nThe plan` }];
  }
  return tasks
    .filter(({ status }) => status === "suspended")
    .flatMap(({ id, description, approval, waitingFor }): Waiting[] => [
      ...(approval?.status === "waiting" ? [{ id, what: `Task ${id} (${printable(description)})` }] : []),
      ...waitingFor.flatMap(({ call }) =>
        call
          ? [
              {
                id,
                call: call.id,
                what: `Task ${id}: ${call.tool}(${shorten(JSON.stringify(call.args), 300)})`,
              },
            ]
          : [],
      ),
    ]);
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
    for (const waiting of waitingIn(run)) {
      const key = `${waiting.id} ${waiting.call ?? ""}`;
      if (!this.#seen.has(key)) {
        this.#seen.add(key);
        // One question at a time.
        this.#asking = this.#asking
          .then(() => view.hold(() => this.#decide(waiting)))
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

  async #decide({ id, call, what }: Waiting): Promise<void> {
    const { runId, out, yes } = this.#o;
    if (this.#closed.signal.aborted) {
      return;
    }
    const by = whoIsIt();
    if (yes) {
      await this.#gp.runs.approve(runId, id, { by, note: "--yes", call });
    } else if (!canAsk(this.#o)) {
      const which = call === undefined ? id : `${id} --call ${call}`;
      out.write(`${what} waits for approval:\n  goalpost approve ${runId} ${which} --by NAME\n`);
      out.write(`  goalpost reject ${runId} ${which} --by NAME --reason TEXT\n`);
    } else if (await this.#ask(`${what} waits for approval. Go on? [y/n] `)) {
      await this.#gp.runs.approve(runId, id, { by, call });
    } else {
      await this.#gp.runs.reject(runId, id, { by, reason: "not approved on the terminal", call });
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
