import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Goalpost, silentLogger } from "goalpost";
import type { BenchContext } from "./section.ts";
import { inFlight, quantile, round } from "./statistics.ts";
import { withDatabase } from "./with-postgres.ts";

export interface AgentFigures {
  /** From the first `send` in one process until the last message was handled in the other. */
  readonly messagesPerSecond: number;
  /** From `send` in one process until the handler begins in the other, one message at a time. */
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const SENDERS = 50;
const IN_FLIGHT = 2000;

/** Messages between two processes over PostgreSQL. */
export function measureAgents({ server, size }: BenchContext): Promise<AgentFigures> {
  return withDatabase(server, async (database) => {
    const count = size(100_000);
    const gp = await Goalpost.open({ database, logger: silentLogger });
    const other = fork(new URL("agent-process.ts", import.meta.url).pathname, [database, String(count)], {
      execArgv: ["--import", "jiti/register"],
    });
    try {
      await once(other, "message");
      const waitsMs = await sendOneByOne(gp, { other, count: size(500) });
      const begin = performance.now();
      const handled = once(other, "message");
      await inFlight({ count, concurrency: IN_FLIGHT }, (index) =>
        gp.agents.send({ from: `sender${index % SENDERS}`, to: "sink", type: "count", payload: { index } }),
      );
      await handled;
      const seconds = (performance.now() - begin) / 1000;
      return {
        messagesPerSecond: Math.round(count / seconds),
        p50Ms: round(quantile(waitsMs, 0.5)),
        p95Ms: round(quantile(waitsMs, 0.95)),
      };
    } finally {
      const ended = once(other, "exit");
      other.send("end");
      await Promise.all([ended, gp.close()]);
    }
  });
}

async function sendOneByOne(
  gp: Goalpost,
  { other, count }: { other: ChildProcess; count: number },
): Promise<readonly number[]> {
  let waitsMs: readonly number[] = [];
  for (let index = 0; index < count; index++) {
    const handled = once(other, "message");
    await gp.agents.send({
      from: "sender",
      to: "sink",
      type: "timed",
      payload: { sentAt: String(process.hrtime.bigint()) },
    });
    [{ waitsMs }] = (await handled) as [{ waitsMs: readonly number[] }];
    // So that each finds the other process idle.
    await sleep(10);
  }
  return waitsMs;
}
