import { type AnyWorkflow, Goalpost, silentLogger, workflow } from "goalpost";
import { addCrowd, type Crowd, checkCrowd } from "./crowds.ts";
import type { BenchContext } from "./section.ts";
import { median, round, time } from "./statistics.ts";
import { checkThreeSteps, STEPS_PER_RUN, threeSteps } from "./three-steps.ts";
import { runOn, withDatabase } from "./with-postgres.ts";

/** What ten three-step runs cost in a full database, against an empty one measured in turn with it. */
export interface CrowdFigures {
  /** Tasks in the way. */
  readonly rows: number;
  readonly emptyMs: number;
  readonly fullMs: number;
  /** Full over empty: 1 is flat. */
  readonly ratio: number;
}

export interface AllCrowds {
  /** Finished tasks: history. */
  readonly finished: CrowdFigures;
  /** Ready tasks in a lane that this worker does not serve. */
  readonly elsewhere: CrowdFigures;
  /** Ready tasks in this worker's lane, of a lower priority. */
  readonly behind: CrowdFigures;
  /** Tasks that are not due for a day. */
  readonly delayed: CrowdFigures;
}

const RUNS = 10;
const PASSES = 40;
const DAY_MS = 86_400_000;
/** The engine's rows for one run of threeSteps: its steps, and the hidden node that ends it. */
const ROWS_PER_RUN = STEPS_PER_RUN + 1;

const oneStep = workflow<{ x: number }>("one_step").step("a", async ({ run }) => run.x + 1);

export async function measureCrowds(context: BenchContext): Promise<AllCrowds> {
  const history = Math.round(context.size(1_000_000) / ROWS_PER_RUN);
  const waiting = { runs: context.size(100_000), workflow: oneStep.name };
  return {
    finished: await againstEmpty(context, () => ({ runs: history, workflow: threeSteps.name, ready: null })),
    elsewhere: await againstEmpty(context, () => ({
      ...waiting,
      ready: { lane: "instance:elsewhere", prio: 0, inMs: 0 },
    })),
    behind: await againstEmpty(context, (lane) => ({
      ...waiting,
      // Priorities are stored negated, so that ascending is better; the runs that are measured have 0.
      ready: { lane, prio: 1, inMs: 0 },
    })),
    delayed: await againstEmpty(context, (lane) => ({ ...waiting, ready: { lane, prio: 0, inMs: DAY_MS } })),
  };
}

/** Two databases, one of them with the crowd; `crowd` is told the lane of the worker there. */
function againstEmpty({ server }: BenchContext, crowd: (lane: string) => Crowd): Promise<CrowdFigures> {
  return withDatabase(server, (emptyDatabase) =>
    withDatabase(server, async (fullDatabase) => {
      const empty = await openTicking(emptyDatabase);
      const full = await openTicking(fullDatabase);
      try {
        const [row] = await runOn(fullDatabase, "select lane from goalpost.runs limit 1");
        const added = crowd(String(row?.lane));
        await addCrowd(fullDatabase, added);
        const rows = added.runs * (added.ready ? 1 : ROWS_PER_RUN);
        const figures = await inTurn(empty, full);
        await checkCrowd(fullDatabase, added);
        return { rows, ...figures };
      } finally {
        await empty.close();
        await full.close();
      }
    }),
  );
}

async function inTurn(empty: Goalpost, full: Goalpost): Promise<Omit<CrowdFigures, "rows">> {
  const emptyMs: number[] = [];
  const fullMs: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    emptyMs.push(await time(() => runTogether(empty)));
    fullMs.push(await time(() => runTogether(full)));
  }
  const medians = { empty: median(emptyMs), full: median(fullMs) };
  return {
    emptyMs: round(medians.empty),
    fullMs: round(medians.full),
    ratio: round(medians.full / medians.empty),
  };
}

/**
 * A client that takes work only when told to, and never more than the runs that are measured have: nothing of the
 * crowd is carried out, so that it stays as large as it is.
 */
async function openTicking(database: string): Promise<Goalpost> {
  const gp = await Goalpost.open({
    database,
    logger: silentLogger,
    workers: { concurrency: RUNS, start: false },
  });
  await tickThrough(gp, oneStep, 1);
  for (let pass = 0; pass < PASSES / 4; pass++) {
    await runTogether(gp);
  }
  return gp;
}

async function runTogether(gp: Goalpost): Promise<void> {
  const outputs = await tickThrough(gp, threeSteps, RUNS);
  for (const [x, output] of outputs.entries()) {
    checkThreeSteps((output as { c: number }).c, x);
  }
}

/** Starts runs together and carries them to their end, a step of each at a time; returns their outputs. */
async function tickThrough(gp: Goalpost, work: AnyWorkflow, runs: number): Promise<unknown[]> {
  const handles = await Promise.all(
    Array.from({ length: runs }, (_, x) => gp.start(work as typeof oneStep, { x })),
  );
  for (let step = 0; step < work.steps.length; step++) {
    const taken = await gp.tick();
    if (taken !== runs) {
      throw new Error(`a tick took ${taken} tasks instead of ${runs}`);
    }
  }
  return Promise.all(handles.map(async (handle) => (await handle.result({ timeoutMs: 10_000 })).output));
}
