#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { CostsOptions } from "./costs.ts";
import type { ApproveCommandOptions, RejectCommandOptions } from "./decide.ts";
import type { EmbedCommandOptions, SearchCommandOptions } from "./documents.ts";
import { DURATION_RULE, parseDuration } from "./duration.ts";
import type { ExplainOptions } from "./explain.ts";
import type { HubCommandOptions } from "./hub.ts";
import type { InstancesOptions } from "./instances.ts";
import type { LearningOptions } from "./learning.ts";
import type { PlanOptions } from "./plan.ts";
import type { PruneCommandOptions } from "./prune.ts";
import type { RunOptions } from "./run.ts";
import type { ListOptions } from "./runs.ts";
import type { ShowOptions } from "./show.ts";
import type { WorkerCommandOptions } from "./worker.ts";

// Everything but the option parser is loaded when a command needs it: --help must not wait for a database.

const USAGE_ERROR = 2;
const DATABASE_HELP =
  "postgres://…, pglite:DIR or memory: (default: $GOALPOST_DATABASE_URL, $DATABASE_URL, pglite:.goalpost/db)";

const APP_HELP = "a TypeScript or JavaScript module whose default export is defineApp({ … })";

const COST_KEYS = ["model", "workflow", "label", "day", "provider", "task", "instance"];

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function toCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new InvalidArgumentError("It must be a whole number ≥ 1.");
  }
  return count;
}

function toUsd(text: string): number {
  const usd = Number(text.replace(/^\$/, ""));
  if (!(Number.isFinite(usd) && usd > 0)) {
    throw new InvalidArgumentError("It must be a number of US dollars above 0, such as 0.50.");
  }
  return usd;
}

function toMilliseconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) {
    throw new InvalidArgumentError(`It must be ${DURATION_RULE}.`);
  }
  return ms;
}

/** Runs a command and ends with its exit code; what it throws is told in a sentence. */
function action(command: () => Promise<number>): Promise<void> {
  return command()
    .catch(async (error: unknown) => {
      const { reportError } = await import("./report-error.ts");
      return reportError(error);
    })
    .then((code) => {
      process.exitCode = code;
    });
}

function goalCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .argument("<goal...>", 'what is wanted, for instance "Report on the code in ./src"')
    .option("--app <file>", APP_HELP)
    .option("--model <id>", "the model that plans and answers (default: by the kind of work)")
    .option("--provider <name>", "openai, anthropic or gemini (default: the first that has a key)")
    .option(
      "--budget <usd>",
      "what calls of models may cost (default: 1 without --app, else no limit)",
      toUsd,
    )
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document on standard output, everything else on standard error");
}

function approvalCommands(program: Command): void {
  program
    .command("approve")
    .argument("<run>", "the id of the run")
    .argument("<task>", 'the task that waits for approval; "plan" for the plan as a whole')
    .description("let a task go on that waits for approval")
    .requiredOption("--by <name>", "who approves")
    .option("--call <id>", "the call of a tool, where several wait (goalpost show names them)")
    .option("--note <text>", "kept with the approval")
    .option("--args <json>", "args to use in place of the planned ones")
    .option("--database <url>", DATABASE_HELP)
    .action((run: string, task: string, options: ApproveCommandOptions) =>
      action(async () => (await import("./decide.ts")).approveTask(run, task, options)),
    );
  program
    .command("reject")
    .argument("<run>", "the id of the run")
    .argument("<task>", 'the task that waits for approval; "plan" for the plan as a whole')
    .description("fail a task that waits for approval; it is not tried again")
    .requiredOption("--by <name>", "who rejects")
    .requiredOption("--reason <text>", "why; kept with the run")
    .option("--call <id>", "the call of a tool, where several wait (goalpost show names them)")
    .option("--database <url>", DATABASE_HELP)
    .action((run: string, task: string, options: RejectCommandOptions) =>
      action(async () => (await import("./decide.ts")).rejectTask(run, task, options)),
    );
}

function fleetCommands(program: Command): void {
  program
    .command("worker")
    .description(
      "carry out distributed runs until SIGTERM or SIGINT; then end what is under way, and exit with 0",
    )
    .option("--app <file>", APP_HELP)
    .option("--queue <name...>", "the queues to serve (default: default)")
    .option("--capability <name...>", "what steps may require, such as gpu")
    .option("--concurrency <count>", "tasks carried out at once (default: 10)", toCount)
    .option("--grace <duration>", "for what is under way to end, such as 10s (default: 30s)", toMilliseconds)
    .option("--database <url>", DATABASE_HELP)
    .action((options: WorkerCommandOptions) =>
      action(async () => (await import("./worker.ts")).runWorker(options)),
    );
  program
    .command("hub")
    .description(
      "let the databases that were opened with this one as hub learn from each other, until SIGTERM or SIGINT",
    )
    .option("--interval <duration>", "between two turns, such as 10s (default: 10s)", toMilliseconds)
    .option("--status", "only show who has published, and what was ignored and why")
    .option("--json", "with --status: print one JSON document")
    .option("--database <url>", DATABASE_HELP)
    .action((options: HubCommandOptions) => action(async () => (await import("./hub.ts")).runHub(options)));
  program
    .command("instances")
    .description("list the processes that work on a database")
    .option("--status <status>", "online, stopped or lost")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((options: InstancesOptions) =>
      action(async () => (await import("./instances.ts")).listInstances(options)),
    );
}

function documentCommands(program: Command): void {
  program
    .command("embed")
    .argument("<folder>", "whose text files are embedded; those that changed, if it was done before")
    .description(
      "make the text files of a folder searchable; needs pgvector, which the embedded database has",
    )
    .option("--collection <name>", "where they are put", "files")
    .option("--model <name>", "the embedding model (default: the collection's, else by the keys there are)")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((folder: string, options: EmbedCommandOptions) =>
      action(async () => (await import("./documents.ts")).embedFolder(folder, options)),
    );
  program
    .command("search")
    .argument("<text...>", "what is looked for")
    .description("search what was embedded, by meaning and by words")
    .option("--collection <name>", "where to look", "files")
    .option("--limit <count>", "at most this many (default: 10)", toCount)
    .addOption(new Option("--mode <mode>", "how").choices(["hybrid", "vector", "text"]).default("hybrid"))
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((words: string[], options: SearchCommandOptions) =>
      action(async () => (await import("./documents.ts")).searchFiles(words.join(" "), options)),
    );
}

function learningCommands(program: Command): void {
  program
    .command("explain <run>")
    .description("show what was decided about a run by what past runs taught, and what came of it")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((run: string, options: ExplainOptions) =>
      action(async () => (await import("./explain.ts")).explainRun(run, options)),
    );
  program
    .command("learning")
    .description("show what past runs taught of each step, or forget it")
    .option("--step <name>", "of one step, with its tasks and models")
    .option("--limit <count>", "lines at most (default: 100)", toCount)
    .option("--reset", "forget it")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((options: LearningOptions) =>
      action(async () => (await import("./learning.ts")).showLearning(options)),
    );
}

function accountCommands(program: Command): void {
  learningCommands(program);
  program
    .command("costs")
    .description("show what LLM and embedding calls used and cost")
    .addOption(new Option("--by <key>", "one line for each").choices(COST_KEYS).default("model"))
    .option("--since <duration>", `calls of that long, up to now: ${DURATION_RULE}`, toMilliseconds)
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((options: CostsOptions) => action(async () => (await import("./costs.ts")).showCosts(options)));
}

function upkeepCommands(program: Command): void {
  program
    .command("migrate")
    .description("bring a database's schema up to date")
    .option("--database <url>", DATABASE_HELP)
    .action((options: { database?: string }) =>
      action(async () => (await import("./migrate.ts")).migrateNow(options)),
    );
  program
    .command("prune")
    .description("remove runs that ended long ago, with everything that is kept of them")
    .requiredOption("--older-than <duration>", `since they ended: ${DURATION_RULE}`, toMilliseconds)
    .option("--batch <count>", "runs removed in one transaction, about (default: 500)", toCount)
    .option("--dry-run", "count only, remove nothing")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((options: PruneCommandOptions) =>
      action(async () => (await import("./prune.ts")).pruneNow(options)),
    );
}

function makeProgram(): Command {
  const program = new Command("goalpost")
    .description("Turns a goal into a task graph and runs it durably on Postgres.")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(goalpost --help lists the commands and their options)");
  goalCommand(program, "run")
    .description("plan a goal, run it and report; an unfinished run of the same goal is gone on with")
    .option("--dry-run", "plan only, run nothing")
    .option("--approve-plan", "run nothing before the plan is approved: here, or by goalpost approve")
    .option("--yes", "approve whatever waits for approval")
    .option("--new", "start afresh even if the last run of this goal did not finish")
    .option("--concurrency <count>", "tasks carried out at once (default: 10)", toCount)
    .action((words: string[], options: RunOptions) =>
      action(async () => (await import("./run.ts")).runGoal(words.join(" "), options)),
    );
  goalCommand(program, "plan")
    .description("plan a goal and print the task graph; run nothing")
    .option("--mermaid", "print the graph as a Mermaid diagram")
    .action((words: string[], options: PlanOptions) =>
      action(async () => (await import("./plan.ts")).planGoal(words.join(" "), options)),
    );
  program
    .command("runs")
    .description("list runs, newest first")
    .option("--status <status>", "only runs in this state")
    .option("--limit <count>", "at most this many (default: 20)", toCount)
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((options: ListOptions) => action(async () => (await import("./runs.ts")).listRuns(options)));
  program
    .command("show")
    .argument("[run]", "the id of a run (default: the latest)")
    .description("show a run: its tasks with states, times, attempts and errors")
    .option("--database <url>", DATABASE_HELP)
    .option("--json", "print one JSON document")
    .action((run: string | undefined, options: ShowOptions) =>
      action(async () => (await import("./show.ts")).showRun(run, options)),
    );
  approvalCommands(program);
  accountCommands(program);
  documentCommands(program);
  fleetCommands(program);
  upkeepCommands(program);
  return program;
}

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) {
    throw error;
  }
  // Help and version are thrown too, with code 0.
  process.exitCode = error.exitCode === 0 ? 0 : USAGE_ERROR;
}
