import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { workflow } from "../../src/index.ts";
import { pruneInstances } from "../../src/store/instances.ts";
import { addLanes } from "../../src/store/lanes.ts";
import { type Backend, describeOnEachBackend } from "./backends.ts";

interface Beat {
  readonly lanes: string[] | null;
  readonly others: [string, string, boolean][] | null;
  readonly leftBehind: string[] | null;
}

/** An instance that says of itself what the test wants. */
class SqlInstance {
  readonly id: string = randomUUID();
  readonly #backend: Backend;
  readonly #about: Record<string, unknown>;

  constructor(backend: Backend, about: Record<string, unknown> = {}) {
    this.#backend = backend;
    this.#about = about;
  }

  async beat(more: Record<string, unknown> = {}): Promise<Beat> {
    const about = {
      name: "test",
      host: "here",
      pid: 1,
      version: "0",
      lanes: [],
      queues: [],
      capabilities: [],
      load: { running: 0, concurrency: 1 },
      lockKey: null,
      ...this.#about,
      ...more,
    };
    const [row] = await this.#backend.query<{ beat: string }>(
      "select goalpost.beat($1::uuid, $2::json)::text as beat",
      [this.id, JSON.stringify(about)],
    );
    return JSON.parse(row?.beat ?? "null") as Beat;
  }

  /** Its last sign of life was that long ago. */
  async age(seconds: number): Promise<void> {
    await this.#backend.query(
      "update goalpost.instances set heartbeat_at = goalpost.now() - make_interval(secs => $2) where worker = $1::uuid",
      [this.id, seconds],
    );
  }
}

const newQueue = (): string => `q_${randomUUID()}`;

describeOnEachBackend("a beat", (backend) => {
  const make = (about?: Record<string, unknown>): SqlInstance => new SqlInstance(backend, about);

  test("tells of the other instances and how often each has said that it lives, if asked", async () => {
    const one = make();
    const two = make();
    await one.beat();
    await one.beat();
    expect((await two.beat({ look: true })).others).toContainEqual([one.id, "1", false]);
    expect((await one.beat()).others).toBeNull();
    const seen = (await one.beat({ look: true })).others?.map(([worker]) => worker);
    expect(seen).toContain(two.id);
    expect(seen).not.toContain(one.id);
  });

  test("tells nothing of those that said goodbye or were lost", async () => {
    const gone = make();
    const lost = make();
    await gone.beat();
    await lost.beat();
    await backend.query("select goalpost.put_back($1::uuid, 'stopped', 5)", [gone.id]);
    await backend.query("select goalpost.put_back($1::uuid, 'lost', 5)", [lost.id]);
    const seen = (await make().beat({ look: true })).others?.map(([worker]) => worker);
    expect(seen).not.toContain(gone.id);
    expect(seen).not.toContain(lost.id);
  });

  test("says that a lock is gone only when the instance is silent and nobody holds its key", async () => {
    const silent = make({ lockKey: "123456789012345678" });
    const never = make();
    await silent.beat();
    await never.beat();
    const goneOf = async (instance: SqlInstance): Promise<boolean | undefined> =>
      (await make().beat({ look: true })).others?.find(([worker]) => worker === instance.id)?.[2];
    expect(await goneOf(silent)).toBe(false);
    await silent.age(2);
    await never.age(2);
    expect(await goneOf(silent)).toBe(true);
    expect(await goneOf(never)).toBe(false);
  });

  test("tells of hand-outs whose worker is gone, if asked", async () => {
    const gone = randomUUID();
    await backend.query(
      `insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, at)
       values ($1::uuid, 1, '{}', '{}', '{}', '{}', goalpost.now())`,
      [gone],
    );
    const instance = make();
    expect((await instance.beat()).leftBehind).toBeNull();
    expect((await instance.beat({ sweep: true })).leftBehind).toContain(gone);
    await backend.query("select goalpost.put_back($1::uuid, 'stopped', 5)", [gone]);
    expect((await instance.beat({ sweep: true })).leftBehind ?? []).not.toContain(gone);
  });

  test("tells of the lanes of its queues that require no more than it has", async () => {
    const [mine, other] = [newQueue(), newQueue()];
    const lane = `queue:${mine}`;
    await addLanes(backend.driver, [lane, `${lane}+a`, `${lane}+a+b`, `${lane}+c`, `queue:${other}`]);
    await addLanes(backend.driver, [`${lane}+a`, "instance:none"]);
    const lanesOf = async (capabilities: string[]): Promise<string[] | undefined> =>
      (await make({ queues: [mine], capabilities }).beat()).lanes?.toSorted();
    expect(await lanesOf([])).toEqual([lane]);
    expect(await lanesOf(["b"])).toEqual([lane]);
    expect(await lanesOf(["a", "b"])).toEqual([lane, `${lane}+a`, `${lane}+a+b`]);
  });
});

describeOnEachBackend("waking", (backend) => {
  /** What is notified while the work is done. */
  async function heard(work: () => Promise<unknown>): Promise<string[][]> {
    const messages: string[] = [];
    const stop = await backend.driver.listen("goalpost", { onMessage: (text) => messages.push(text) });
    await work();
    // Messages arrive in order: what was sent before this one is here with it.
    const last = randomUUID();
    await backend.query("select pg_notify('goalpost', $1)", [last]);
    await expect.poll(() => messages).toContain(last);
    await stop();
    return messages
      .filter((message) => message.startsWith("wake "))
      .map((message) => message.slice("wake ".length).split(" "));
  }

  /** A queue with a row to be claimed in its lane. */
  async function queueWithWork(suffix = ""): Promise<{ queue: string; lane: string }> {
    const queue = newQueue();
    const lane = `queue:${queue}${suffix}`;
    await addLanes(backend.driver, [lane]);
    await backend.query(
      "insert into goalpost.ready (lane, prio, key, rank, run_id, position, item) values ($1, 0, 0, 0, gen_random_uuid(), 0, -1)",
      [lane],
    );
    return { queue, lane };
  }

  const wake = (lanes: readonly string[], by: string = randomUUID()) =>
    backend.query("select goalpost.wake_idle($1::uuid, $2::text[])", [by, lanes]);

  async function idleOn(queue: string, more: Record<string, unknown> = {}): Promise<string> {
    const instance = new SqlInstance(backend, { queues: [queue], idle: true, ...more });
    await instance.beat();
    return instance.id;
  }

  test("tells an idle instance that serves the lane", async () => {
    const { queue, lane } = await queueWithWork();
    const id = await idleOn(queue);
    await idleOn(newQueue());
    expect(await heard(() => wake([lane, "instance:none"]))).toEqual([[id]]);
  });

  test("tells nobody who is busy, lacks a capability, said goodbye, or is the one that calls", async () => {
    const { queue, lane } = await queueWithWork("+gpu");
    const caller = await idleOn(queue, { capabilities: ["gpu"] });
    await idleOn(queue, { capabilities: ["gpu"], idle: false });
    await idleOn(queue);
    const gone = await idleOn(queue, { capabilities: ["gpu"] });
    await backend.query("select goalpost.put_back($1::uuid, 'stopped', 5)", [gone]);
    expect(await heard(() => wake([lane], caller))).toEqual([]);
  });

  test("tells nobody when nothing is left to be claimed", async () => {
    const { queue, lane } = await queueWithWork();
    await idleOn(queue);
    await backend.query("delete from goalpost.ready where lane = $1", [lane]);
    expect(await heard(() => wake([lane]))).toEqual([]);
    expect(await heard(() => backend.query("select goalpost.wake_idle(null, null)"))).toEqual([]);
  });

  test("tells eight at most, in one message", async () => {
    const { queue, lane } = await queueWithWork();
    const all = await Promise.all(Array.from({ length: 10 }, () => idleOn(queue)));
    const [told, ...more] = await heard(() => wake([lane]));
    expect(told).toHaveLength(8);
    expect(all).toEqual(expect.arrayContaining(told ?? []));
    expect(more).toEqual([]);
  });

  test("an idle client takes what it is woken for, and what is put back for it", async () => {
    const queue = newQueue();
    const w = workflow("woken").step("a", () => "done");
    const idle = await backend.liveClient({ workers: { queues: [queue] } });
    idle.register({ workflows: [w] });
    await expect
      .poll(() => backend.query("select 1 from goalpost.instances where idle and $1 = any(queues)", [queue]))
      .toHaveLength(1);
    const starter = await backend.liveClient({ workers: false });
    const { runId } = await starter.start(w, null, { queue });
    await wake([`queue:${queue}`]);
    expect(await starter.runs.wait(runId, { timeoutMs: 5000 })).toMatchObject({ output: { a: "done" } });
  });
});

describeOnEachBackend("instances", (backend) => {
  test("are listed with what they serve and do, those that are online first", async () => {
    const queue = newQueue();
    const gone = await backend.client({ instanceId: `gone ${queue}` });
    await gone.tick();
    await gone.close();
    const t = await backend.client({
      instanceId: `here ${queue}`,
      workers: { queues: [queue], capabilities: ["gpu"], concurrency: 3 },
    });
    await t.tick();
    const mine = (await t.gp.instances.list()).filter(({ id }) => id.endsWith(queue));
    expect(mine).toMatchObject([
      {
        id: `here ${queue}`,
        status: "online",
        load: { running: 0, concurrency: 3 },
        pid: process.pid,
        queues: [queue],
        capabilities: ["gpu"],
        startedAt: expect.any(Date),
        heartbeatAt: expect.any(Date),
        warnings: [],
      },
      { id: `gone ${queue}`, status: "stopped" },
    ]);
    const stopped = await t.gp.instances.list({ status: "stopped" });
    expect(stopped.map(({ id }) => id)).toContain(`gone ${queue}`);
    expect(stopped.map(({ id }) => id)).not.toContain(`here ${queue}`);
    await expect(t.gp.instances.list({ status: "asleep" as never })).rejects.toThrow(/online, stopped, lost/);
  });

  test("that are gone are forgotten after a while, unless tasks are still to their name", async () => {
    const [old, young, alive, holding] = [1, 2, 3, 4].map(() => new SqlInstance(backend));
    for (const instance of [old, young, alive, holding]) {
      await instance?.beat();
    }
    for (const instance of [old, young, holding]) {
      await backend.query("select goalpost.put_back($1::uuid, 'stopped', 5)", [instance?.id]);
    }
    await backend.query(
      `insert into goalpost.handouts (worker, seq, run_ids, positions, items, deliveries, at)
       values ($1::uuid, 1, '{}', '{}', '{}', '{}', goalpost.now())`,
      [holding?.id],
    );
    for (const instance of [old, alive, holding]) {
      await instance?.age(7200);
    }
    expect(await pruneInstances(backend.driver, 3_600_000)).toBeGreaterThanOrEqual(1);
    const left = await backend.query<{ worker: string }>("select worker from goalpost.instances");
    const ids = left.map(({ worker }) => worker);
    expect(ids).not.toContain(old?.id);
    expect(ids).toEqual(expect.arrayContaining([young?.id, alive?.id, holding?.id]));
  });

  test("have a name that can be shown", async () => {
    for (const instanceId of ["", " ", "a\u0000b", "x".repeat(201)]) {
      await expect(backend.client({ instanceId })).rejects.toThrow(/instanceId/);
    }
  });
});

describe("an instance without a name", () => {
  test("is called what INSTANCE_ID says, else by host and pid", async () => {
    const { defaultInstanceId } = await import("../../src/environment.ts");
    expect(defaultInstanceId()).toMatch(new RegExp(`:${process.pid}$`));
    process.env.INSTANCE_ID = "worker-7";
    try {
      expect(defaultInstanceId()).toBe("worker-7");
    } finally {
      delete process.env.INSTANCE_ID;
    }
  });
});
