import {
  type Goalpost,
  GoalpostError,
  type PlanApproval,
  type PlanRecord,
  type RunRecord,
  renderTree,
  type ValidTaskGraph,
} from "../index.ts";
import { formatDuration, paintFor, shorten } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { describeRun, describeStatus } from "./runs.ts";
import { withDatabase } from "./session.ts";
import { countWork, taskLines } from "./task-lines.ts";

export interface ShowOptions {
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost show`: one run with its tasks; returns the exit code. */
export async function showRun(id: string | undefined, options: ShowOptions): Promise<number> {
  return withDatabase(options.database, async (gp) => {
    const run = await gp.runs.get(id ?? (await latest(gp)));
    process.stdout.write(options.json ? `${JSON.stringify(run, null, 2)}\n` : describe(run));
    return EXIT.done;
  });
}

/** Why a plan was replaced, and by what. */
function describePlan({ version, scope, status, reason, diff, error }: PlanRecord): string {
  const why = reason ? ` because ${reason.taskId} failed: ${reason.code}` : "";
  const changes = Object.entries(diff ?? {})
    .filter(([, ids]) => ids.length > 0)
    .map(([how, ids]) => `${how} ${shorten(ids.join(", "), 100)}`);
  const what = diff ? changes.join("; ") : `${status}${error ? `: ${error.code}: ${error.message}` : ""}`;
  return `plan ${version}${scope ? ` of ${scope}` : ""}${why}; ${what}`;
}

async function latest(gp: Goalpost): Promise<string> {
  const [run] = await gp.runs.list({ limit: 1 });
  if (!run) {
    throw new GoalpostError(
      "RUN_NOT_FOUND",
      'there are no runs in this database yet; start one: goalpost run "…"',
    );
  }
  return run.id;
}

/** Where the plan comes from, and whether somebody is asked about it. */
function planLines({ id, graph, planApproval, error }: RunRecord): string[] {
  const asked = planApproval && describeApproval(id, planApproval);
  const origin = originOf(graph) ?? originOf(planApproval?.proposed) ?? {};
  const { by, model, promptSha256, repairs } = origin;
  const prompt = promptSha256 ?? (error?.details as Facts | undefined)?.promptSha256;
  const facts = [
    by && `planned by ${by}`,
    model && `model ${model}`,
    prompt && `prompt ${prompt}`,
    repairs && `${repairs} repairs`,
  ].filter(Boolean);
  return [...(facts.length > 0 ? [facts.join(", ")] : []), ...(asked ?? [])];
}

type Facts = Readonly<Record<string, string | number | undefined>>;

function originOf(graph: unknown): Facts | undefined {
  return (graph as { readonly origin?: Facts } | null | undefined)?.origin;
}

function describeApproval(id: string, { status, by, note, reason, since, proposed }: PlanApproval): string[] {
  if (status !== "waiting") {
    return [`plan ${status} by ${by}${(reason ?? note) ? `: ${reason ?? note}` : ""}`];
  }
  const { tasks } = proposed as unknown as ValidTaskGraph;
  return [
    `The plan waits for approval since ${since.toISOString()}: gp.runs.approve("${id}", "plan", { by }) or gp.runs.reject`,
    printable(renderTree(tasks)),
  ];
}

/** What others wrote is shown, and does nothing to the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "\ufffd");
}

function describe(run: RunRecord): string {
  const paint = paintFor(process.stdout);
  const nowMs = Date.now();
  const { total, done } = countWork(run);
  const took = formatDuration((run.finishedAt?.getTime() ?? nowMs) - run.createdAt.getTime());
  const lines = [
    describeRun(run),
    `run ${run.id}, ${describeStatus(run)}, ${done} of ${total} tasks completed, ${took}, started ${run.createdAt.toISOString()}`,
    ...(run.retryOf ? [`goes on from run ${run.retryOf}`] : []),
    ...planLines(run),
    ...run.plans.filter(({ version }) => version > 1).map(describePlan),
    ...taskLines(run.tasks, { paint, nowMs, width: process.stdout.columns ?? 120, details: true }),
  ];
  if (run.error) {
    const where = run.error.task ? `task "${run.error.task.id}", attempt ${run.error.task.attempt}: ` : "";
    lines.push(paint("red", `${run.status}: ${where}${run.error.code}: ${run.error.message}`));
    const { plan } = run.error.details ?? {};
    if (run.error.code === "DECOMPOSER_FAILED" && typeof plan === "string") {
      lines.push("The last plan of the model:", printable(plan));
    }
  }
  if (run.ownerless) {
    lines.push("No process carries it out. Run the same goal again to go on with it.");
  }
  return `${lines.join("\n")}\n`;
}
