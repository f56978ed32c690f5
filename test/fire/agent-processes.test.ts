import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { Goalpost, silentLogger } from "../../src/index.ts";
import { createDatabase } from "../contract/backends.ts";
import { seededRandom } from "./seed.ts";

const fixture = new URL("../fixtures/agent-worker.ts", import.meta.url).pathname;
const asker = new URL("../fixtures/agent-asker.ts", import.meta.url).pathname;

async function startWorker(
  url: string,
  env: Readonly<Record<string, string>> = {},
  script = fixture,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--import", "jiti/register", script, url], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  if (child.stdout) {
    await once(child.stdout, "data");
  }
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** A database with the tables of the fixture, and a client that knows the agents and handles none of their messages. */
async function openSite() {
  const url = await createDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const gp = await Goalpost.open({ database: url, logger: silentLogger });
  onTestFinished(async () => {
    await gp.close({ graceMs: 0 });
    await pool.end();
  });
  await pool.query("create table public.handled (at bigserial, sender text, n int, attempt int)");
  for (const name of ["sink", "ledger"]) {
    await (await gp.agents.register(name, { description: "", onMessage: () => null })).close();
  }
  const handled = async (): Promise<{ sender: string; n: number; attempt: number }[]> =>
    (await pool.query("select sender, n, attempt from public.handled order by at")).rows;
  const backlog = async (): Promise<number> =>
    (await gp.agents.list()).find(({ name }) => name === "sink")?.backlog ?? -1;
  const ledger = async (): Promise<{ from: string; n: number }[]> => {
    const all: { from: string; n: number }[] = [];
    for (let after = 0; ; ) {
      const page = await gp.agents.inbox("ledger", { after, limit: 1000 });
      all.push(...page.map(({ payload }) => payload as { from: string; n: number }));
      after = page.at(-1)?.seq ?? 0;
      if (page.length < 1000) {
        return all;
      }
    }
  };
  return { url, gp, handled, backlog, ledger };
}

/** Values by sender, in order. */
function bySender(all: readonly { readonly who: string; readonly n: number }[]): Map<string, number[]> {
  const lists = new Map<string, number[]>();
  for (const { who, n } of all) {
    lists.set(who, [...(lists.get(who) ?? []), n]);
  }
  return lists;
}

describe("agents in several processes", () => {
  test("a message that a killed process was handling is handled by another one", {
    timeout: 60_000,
  }, async () => {
    const { url, gp, handled, backlog } = await openSite();
    const holder = await startWorker(url);
    await gp.agents.send({ from: "ann", to: "sink", type: "n", payload: { n: 1, hold: true } });
    await gp.agents.send({ from: "ann", to: "sink", type: "n", payload: { n: 2 } });
    while ((await handled()).length === 0) {
      await sleep(10);
    }
    await startWorker(url, { HOLD: "no" });
    await kill(holder);
    while ((await backlog()) > 0) {
      await sleep(10);
    }
    // Losing a process is no try.
    expect(await handled()).toEqual([
      { sender: "ann", n: 1, attempt: 1 },
      { sender: "ann", n: 1, attempt: 1 },
      { sender: "ann", n: 2, attempt: 1 },
    ]);
  });

  test("under load with processes killed, each sender's messages are handled in order, none is lost, and each has its effect once", {
    timeout: 180_000,
  }, async () => {
    const { url, gp, handled, backlog, ledger } = await openSite();
    const random = seededRandom();
    const senders = Array.from({ length: 8 }, (_, index) => `s${index}`);
    const perSender = 100;
    const workers = [await startWorker(url), await startWorker(url), await startWorker(url)];
    const sending = Promise.all(
      senders.map(async (from) => {
        for (let n = 0; n < perSender; n++) {
          await gp.agents.send({ from, to: "sink", type: "n", payload: { n, fails: random() < 0.05 } });
        }
      }),
    );
    const restarted: Promise<ChildProcess>[] = [];
    for (const worker of workers) {
      await sleep(300 + random() * 600);
      await kill(worker);
      restarted.push(startWorker(url));
    }
    for (const worker of await Promise.all(restarted.slice(0, 2))) {
      await sleep(random() * 300);
      await kill(worker);
    }
    await sending;
    while ((await backlog()) > 0) {
      await sleep(50);
    }
    const all = await handled();
    // Otherwise nobody was killed in the middle of anything.
    expect(all.filter(({ attempt }) => attempt === 1).length).toBeGreaterThan(senders.length * perSender);
    const expected = Array.from({ length: perSender }, (_, n) => n);
    for (const [sender, ns] of bySender(all.map(({ sender, n }) => ({ who: sender, n })))) {
      // First handlings are in order, and so is what was handled again after a loss or a failure.
      expect([...new Set(ns)], sender).toEqual(expected);
      expect(
        ns.every((n, index) => index === 0 || n <= (ns[index - 1] ?? 0) + 1),
        sender,
      ).toBe(true);
    }
    const effects = bySender((await ledger()).map(({ from, n }) => ({ who: from, n })));
    expect(effects.size).toBe(senders.length);
    for (const [sender, ns] of effects) {
      expect(ns, sender).toEqual(expected);
    }
    expect(await gp.agents.deadLetters("sink")).toEqual([]);
  });

  test("a reply survives the asker's restart", { timeout: 60_000 }, async () => {
    const { url, gp } = await openSite();
    const first = await Goalpost.open({ database: url, logger: silentLogger });
    const mail = { from: "ann", to: "ledger", type: "ask", payload: 1, messageId: "asked-once" };
    const waiting = first.agents.request(mail);
    const closed = expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
    while ((await gp.agents.inbox("ledger")).length === 0) {
      await sleep(10);
    }
    await first.close();
    await closed;
    let handled = 0;
    await gp.agents.register("ledger", { description: "", onMessage: () => ++handled });
    const second = await Goalpost.open({ database: url, logger: silentLogger });
    onTestFinished(() => second.close());
    expect(await second.agents.request(mail)).toBe(1);
    expect(await second.agents.request(mail)).toBe(1);
    expect(handled).toBe(1);
  });

  test("a reply that came while its asker was dead is there when it asks again", {
    timeout: 60_000,
  }, async () => {
    const { url, gp } = await openSite();
    const first = await startWorker(url, {}, asker);
    while ((await gp.agents.inbox("ledger")).length === 0) {
      await sleep(10);
    }
    await kill(first);
    let handled = 0;
    await gp.agents.register("ledger", { description: "", onMessage: () => ({ times: ++handled }) });
    while ((await gp.agents.inbox("ledger"))[0]?.status !== "handled") {
      await sleep(10);
    }
    const second = await startWorker(url, {}, asker);
    const [said] = (await once(second.stdout as NonNullable<typeof second.stdout>, "data")) as [Buffer];
    expect(String(said)).toBe('reply {"times":1}\n');
    expect(handled).toBe(1);
  });

  test("several clients that send the same message at once store it once", async () => {
    const { url, gp } = await openSite();
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => Goalpost.open({ database: url, logger: silentLogger, workers: false })),
    );
    onTestFinished(async () => {
      await Promise.all(clients.map((client) => client.close()));
    });
    for (let round = 0; round < 20; round++) {
      const mail = { from: "ann", to: "ledger", type: "n", payload: round, messageId: `round-${round}` };
      await Promise.all(clients.map((client) => client.agents.send(mail)));
    }
    expect((await gp.agents.inbox("ledger")).map(({ payload }) => payload)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  test("several clients that send one id to different agents at once store one of the messages", async () => {
    const { url, gp } = await openSite();
    const clients = await Promise.all(
      Array.from({ length: 2 }, () => Goalpost.open({ database: url, logger: silentLogger, workers: false })),
    );
    onTestFinished(async () => {
      await Promise.all(clients.map((client) => client.close()));
    });
    for (let round = 0; round < 20; round++) {
      await Promise.allSettled(
        clients.map((client, index) =>
          client.agents.send({
            from: "ann",
            to: index === 0 ? "sink" : "ledger",
            type: "n",
            messageId: `either-${round}`,
          }),
        ),
      );
    }
    const stored = [...(await gp.agents.inbox("sink")), ...(await gp.agents.inbox("ledger"))];
    expect(stored).toHaveLength(20);
    // A place that was left free holds nobody up.
    const seen: unknown[] = [];
    for (const name of ["sink", "ledger"]) {
      await gp.agents.register(name, { description: "", onMessage: ({ id }) => seen.push(id) });
    }
    while (seen.length < 20) {
      await sleep(10);
    }
  });

  test("processes that answer each other's agents do not lock each other up", {
    timeout: 60_000,
  }, async () => {
    const { url } = await openSite();
    const clients = await Promise.all(
      [0, 1].map(() => Goalpost.open({ database: url, logger: silentLogger })),
    );
    onTestFinished(async () => {
      await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
    });
    let ends = 0;
    for (const [index, client] of clients.entries()) {
      await client.agents.register(`side${index}`, {
        description: "",
        concurrency: 50,
        onMessage: async ({ payload }, ctx) => {
          if (payload.left === 0) {
            ends += 1;
            return;
          }
          await ctx.send({ to: `side${1 - index}`, type: "ball", payload: { left: payload.left - 1 } });
        },
      });
    }
    await Promise.all(
      Array.from({ length: 100 }, (_, ball) =>
        clients[ball % 2]?.agents.send({
          from: `p${ball}`,
          to: `side${ball % 2}`,
          type: "ball",
          payload: { left: 20 },
        }),
      ),
    );
    while (ends < 100) {
      await sleep(10);
    }
    expect(ends).toBe(100);
  });
});
