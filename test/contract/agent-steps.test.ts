import { expect, test } from "vitest";
import { AgentCoordination, type AgentMessage, type StepInfo, workflow } from "../../src/index.ts";
import { describeOnEachBackend } from "./backends.ts";

let names = 0;
const fresh = (): string => `step_agent${names++}`;

describeOnEachBackend("agents and steps", (backend) => {
  async function withAgents(count: number, handle: (message: AgentMessage) => unknown = () => null) {
    const client = await backend.client();
    const agents = Array.from({ length: count }, fresh);
    const given: AgentMessage[] = [];
    for (const name of agents) {
      await client.gp.agents.register(name, {
        description: `is ${name}`,
        onMessage: (message) => {
          given.push(message);
          return handle(message);
        },
      });
    }
    /** Ticks until the run is over. */
    const finish = async (runId: string) => {
      for (let ticks = 0; ticks < 50; ticks++) {
        await client.tick();
        const run = await client.gp.runs.get(runId);
        if (run.finishedAt !== null) {
          return run;
        }
      }
      throw new Error("the run does not end");
    };
    return { ...client, agents, given, finish };
  }

  test("AgentCoordination routes a message and acknowledges it", async () => {
    const { gp, agents, given, finish, settle } = await withAgents(2);
    const [source = "", target = ""] = agents;
    const input = {
      messageId: `${source}-m`,
      sourceAgent: source,
      targetAgent: target,
      messageType: "task",
      payload: { n: 1 },
    };
    const { runId } = await gp.start(AgentCoordination, input);
    const { output } = await finish(runId);
    expect(output).toEqual({
      acknowledge: {
        messageId: input.messageId,
        sourceAgent: source,
        targetAgent: target,
        routed: true,
        timestamp: expect.any(String),
      },
    });
    await settle();
    expect(given).toMatchObject([
      { id: input.messageId, from: source, to: target, type: "task", payload: { n: 1 } },
    ]);
  });

  test("a message id seen before is acknowledged again, not delivered again", async () => {
    const { gp, agents, given, finish, settle } = await withAgents(2);
    const [source = "", target = ""] = agents;
    const input = {
      messageId: `${source}-m`,
      sourceAgent: source,
      targetAgent: target,
      messageType: "task",
      payload: null,
    };
    for (let times = 0; times < 2; times++) {
      const { runId } = await gp.start(AgentCoordination, input);
      expect(await finish(runId)).toMatchObject({
        status: "completed",
        output: { acknowledge: { routed: true } },
      });
    }
    await settle();
    expect(given).toHaveLength(1);
  });

  test.each([
    ["an unknown target", (one: string) => ({ sourceAgent: one, targetAgent: "nobody" }), "UNKNOWN_AGENT"],
    ["an unknown source", (one: string) => ({ sourceAgent: "nobody", targetAgent: one }), "UNKNOWN_AGENT"],
    ["itself as the target", (one: string) => ({ sourceAgent: one, targetAgent: one }), "INVALID_INPUT"],
    ["no type", (one: string) => ({ sourceAgent: one, targetAgent: one, messageType: "" }), "INVALID_INPUT"],
  ])("AgentCoordination refuses a message with %s, without another try", async (_, wrong, code) => {
    const { gp, agents, given, finish } = await withAgents(2);
    const input = { messageId: "m", messageType: "task", payload: null, ...wrong(agents[0] ?? "") };
    const { runId } = await gp.start(AgentCoordination, input);
    const run = await finish(runId);
    expect(run.error).toMatchObject({ code, task: { attempt: 1 } });
    if (code === "UNKNOWN_AGENT") {
      expect(run.error?.message).toContain(agents[1]);
    }
    expect(given).toEqual([]);
  });

  test("a worker that never heard of it carries AgentCoordination out", async () => {
    const { agents } = await withAgents(2);
    const [source = "", target = ""] = agents;
    const live = await backend.liveClient();
    const input = {
      messageId: `${source}-l`,
      sourceAgent: source,
      targetAgent: target,
      messageType: "t",
      payload: null,
    };
    const { output } = await live.execute(AgentCoordination, input);
    expect(output.acknowledge.routed).toBe(true);
  });

  test("an agent can be the step of a task, and is told of its inputs", async () => {
    const { gp, agents, given, finish } = await withAgents(1, () => ({ done: true }));
    const [name] = agents;
    const plan = () => [
      { id: "facts", description: "facts" },
      {
        id: "ask",
        description: "ask somebody",
        step: `agent:${name}`,
        args: { q: { $ref: "facts", path: "n" } },
        dependsOn: ["facts"],
      },
    ];
    const { runId } = await gp.startGoal("a goal", plan, { facts: () => ({ n: 7 }) });
    const run = await finish(runId);
    expect(run.output).toEqual({ ask: { done: true } });
    expect(given).toMatchObject([
      {
        type: "task",
        from: `run:${runId}`,
        payload: {
          description: "ask somebody",
          args: { q: 7 },
          inputs: { facts: { n: 7 } },
          goal: { goal: "a goal" },
        },
      },
    ]);
  });

  test("a plan that names an unknown agent is refused with the steps that there are", async () => {
    const { gp, agents } = await withAgents(1);
    const plan = () => [{ id: "ask", description: "ask", step: "agent:nobody" }];
    const refused = gp.decomposeGoal("a goal", plan, { other: () => null });
    await expect(refused).rejects.toMatchObject({ issues: [{ code: "UNKNOWN_STEP" }] });
    await expect(refused).rejects.toThrow(`agent:${agents[0]}`);
  });

  test("a decomposer is told of agents as of steps", async () => {
    const { gp, agents } = await withAgents(1);
    let told: readonly StepInfo[] = [];
    const plan = (_: unknown, { steps }: { steps: readonly StepInfo[] }) => {
      told = steps;
      return [{ id: "ask", description: "ask", step: `agent:${agents[0]}` }];
    };
    await gp.decomposeGoal("a goal", plan);
    expect(told).toContainEqual({ name: `agent:${agents[0]}`, description: `is ${agents[0]}` });
  });

  test("a step asks an agent without holding its slot, and is given the same reply when it is called again", async () => {
    const { gp, agents, given, finish } = await withAgents(1, ({ payload }) => `reply ${payload}`);
    const to = agents[0] ?? "";
    let calls = 0;
    const ask = workflow(fresh()).step("ask", async (_, ctx) => {
      calls += 1;
      const first = await ctx.agents.request({ to, type: "ask", payload: 1 });
      const second = await ctx.agents.request({ to, type: "ask", payload: 2 });
      return [first, second];
    });
    const { runId } = await gp.start(ask, null);
    expect((await finish(runId)).output).toEqual({ ask: ["reply 1", "reply 2"] });
    expect(calls).toBe(3);
    expect(given.map(({ payload }) => payload)).toEqual([1, 2]);
  });

  test("a step that waits for a reply for too long is told so", async () => {
    const { gp, agents, clock, settle, finish } = await withAgents(0);
    expect(agents).toEqual([]);
    const name = fresh();
    const registration = await gp.agents.register(name, { description: "", onMessage: () => null });
    await registration.close();
    const ask = workflow(fresh()).step("ask", { maxAttempts: 1 }, async (_, ctx) =>
      ctx.agents.request({ to: name, type: "ask" }, { timeoutMs: 1000 }),
    );
    const { runId } = await gp.start(ask, null);
    await settle();
    clock.advance(1000);
    expect((await finish(runId)).error).toMatchObject({ code: "WAIT_TIMEOUT", details: { agent: name } });
  });

  test("a step fails with what the agent failed with", async () => {
    const { gp, agents, clock, settle, finish } = await withAgents(1, () => {
      throw new Error("broken");
    });
    const ask = workflow(fresh()).step("ask", async (_, ctx) =>
      ctx.agents.request({ to: agents[0] ?? "", type: "ask" }),
    );
    const { runId } = await gp.start(ask, null);
    for (let tries = 0; tries < 3; tries++) {
      await settle();
      clock.advance(10_000);
    }
    const { error } = await finish(runId);
    expect(error).toMatchObject({ code: "STEP_FAILED", details: { agent: agents[0] }, task: { attempt: 1 } });
  });

  test("of a race between a reply and a sleep the sleep may win", async () => {
    const { gp, clock, settle, finish } = await withAgents(0);
    const name = fresh();
    await (await gp.agents.register(name, { description: "", onMessage: () => null })).close();
    const ask = workflow(fresh()).step("ask", async (_, ctx) =>
      Promise.race([
        ctx.agents.request({ to: name, type: "ask" }, { key: "slow" }).then(() => "replied"),
        ctx.sleep(1000).then(() => "slept"),
      ]),
    );
    const { runId } = await gp.start(ask, null);
    await settle();
    clock.advance(1000);
    expect((await finish(runId)).output).toEqual({ ask: "slept" });
  });

  test("a step that is called again sends nothing twice", async () => {
    const { gp, agents, given, clock, settle, finish } = await withAgents(1);
    const to = agents[0] ?? "";
    const tell = workflow(fresh()).step("tell", async (_, ctx) => {
      await ctx.agents.send({ to, type: "n", payload: 1 });
      await ctx.agents.send({ to, type: "n", payload: 1 });
      if (ctx.attempt === 1) {
        throw new Error("after sending");
      }
    });
    const { runId } = await gp.start(tell, null);
    await settle();
    clock.advance(10_000);
    await finish(runId);
    await settle();
    expect(given).toHaveLength(2);
  });
});
