import type { Goalpost, RunRecord } from "../index.ts";
import { formatBar, formatDuration, paintFor } from "./format.ts";
import { countWork, taskLines } from "./task-lines.ts";

/** Shows a run while it goes on. */
export interface RunView {
  /** Shows nothing while somebody is asked something. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  /** Shows the last state and stops. */
  stop(): Promise<void>;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const LOOK_MS = 200;
const BAR_CELLS = 24;

interface Stream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What to show, and where. */
export interface WatchOptions {
  readonly runId: string;
  readonly stream: Stream;
  /** Tasks finished before now are not news. */
  readonly resumed: boolean;
  /** Told of every state that is seen. */
  readonly onLook?: ((run: RunRecord, view: Pick<RunView, "hold">) => void) | undefined;
}

/** A live tree on a terminal, else one line for every task that ends. */
export async function watchRun(gp: Goalpost, options: WatchOptions): Promise<RunView> {
  return options.stream.isTTY ? liveView(gp, options) : plainView(gp, options);
}

async function liveView(gp: Goalpost, { runId, stream, onLook }: WatchOptions): Promise<RunView> {
  const { createLogUpdate } = await import("log-update");
  const draw = createLogUpdate(stream);
  let held = false;
  const hold: RunView["hold"] = async (work) => {
    held = true;
    draw.clear();
    try {
      return await work();
    } finally {
      held = false;
    }
  };
  const looks = repeatedly(gp, runId, (run) => onLook?.(run, { hold }));
  let frame = 0;
  const timer = setInterval(() => {
    frame += 1;
    if (looks.latest && !held) {
      draw(picture(looks.latest, stream, FRAMES[frame % FRAMES.length]));
    }
  }, FRAME_MS);
  return {
    hold,
    async stop() {
      clearInterval(timer);
      const last = await looks.stop();
      draw(picture(last, stream));
      draw.done();
    },
  };
}

function picture(run: RunRecord, stream: Stream, spinner?: string): string {
  const paint = paintFor(stream);
  const nowMs = Date.now();
  const lines = taskLines(run.tasks, {
    paint,
    nowMs,
    width: stream.columns ?? 80,
    details: false,
    ...(spinner && { spinner }),
  });
  const room = Math.max(4, (stream.rows ?? 24) - 4);
  const hidden = lines.length - room;
  const shown = hidden > 0 ? [paint("gray", `… ${hidden} tasks above`), ...lines.slice(hidden)] : lines;
  const { total, done } = countWork(run);
  const since = formatDuration((run.finishedAt?.getTime() ?? nowMs) - run.createdAt.getTime());
  const sign = run.status === "completed" ? "✓" : run.finishedAt ? "✗" : (spinner ?? "·");
  const state =
    total === 0 && !run.finishedAt
      ? "planning"
      : `${formatBar(total ? done / total : 0, BAR_CELLS)} ${done}/${total}`;
  return [...shown, `${paint(run.status === "failed" ? "red" : "cyan", sign)} ${state}  ${since}`].join("\n");
}

function plainView(gp: Goalpost, { runId, stream, resumed, onLook }: WatchOptions): RunView {
  const told = new Set<string>();
  const hold: RunView["hold"] = (work) => work();
  const sinceMs = resumed ? Date.now() : 0;
  const tell = (run: RunRecord): void => {
    const { total, done } = countWork(run);
    for (const task of run.tasks) {
      if (
        task.finishedAt &&
        task.finishedAt.getTime() >= sinceMs &&
        task.status !== "cancelled" &&
        !told.has(task.id)
      ) {
        told.add(task.id);
        const [line] = taskLines([{ ...task, parent: null }], {
          paint: (_, text) => text,
          nowMs: 0,
          width: 120,
          details: false,
        });
        stream.write(`${line} [${done}/${total}]\n`);
      }
    }
    onLook?.(run, { hold });
  };
  const looks = repeatedly(gp, runId, tell);
  return {
    hold,
    async stop() {
      await looks.stop();
    },
  };
}

/** Looks at a run again and again, one look at a time. */
function repeatedly(
  gp: Goalpost,
  runId: string,
  onLook: (run: RunRecord) => void,
): { latest: RunRecord | undefined; stop(): Promise<RunRecord> } {
  let stopped = false;
  let wake = (): void => undefined;
  const look = async (): Promise<RunRecord> => {
    const run = await gp.runs.get(runId, { outputs: false });
    looks.latest = run;
    onLook(run);
    return run;
  };
  const looks = {
    latest: undefined as RunRecord | undefined,
    async stop(): Promise<RunRecord> {
      stopped = true;
      wake();
      await loop;
      return look();
    },
  };
  const loop = (async () => {
    while (!stopped) {
      // A look that fails says nothing about the run; the next one may succeed.
      await look().catch(() => undefined);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, LOOK_MS);
      });
    }
  })();
  return looks;
}
