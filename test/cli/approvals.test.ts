import { PassThrough } from "node:stream";
import { describe, expect, test, vi } from "vitest";
import { Approvals, checkApprover } from "../../src/cli/approvals.ts";
import type { Goalpost, RunRecord } from "../../src/index.ts";

function terminal(isTTY = true) {
  const input = Object.assign(new PassThrough(), { isTTY });
  const out = Object.assign(new PassThrough(), { isTTY });
  return { input, out, text: (): string => String(out.read() ?? "") };
}

function setUp(options: { isTTY?: boolean; yes?: boolean } = {}) {
  const { input, out, text } = terminal(options.isTTY);
  const approve = vi.fn(async () => undefined);
  const reject = vi.fn(async () => undefined);
  const gp = { runs: { approve, reject } } as unknown as Goalpost;
  const approvals = new Approvals(gp, { runId: "r1", input, out, yes: options.yes });
  let holds = 0;
  const view = {
    hold: async <T>(work: () => Promise<T>): Promise<T> => {
      holds += 1;
      return work();
    },
  };
  return { approvals, input, text, approve, reject, view, holds: () => holds };
}

function runWith(...ids: string[]): RunRecord {
  const tasks = ids.map((id) => ({
    id,
    description: `do ${id}`,
    status: "suspended",
    approval: { status: "waiting" },
    waitingFor: [],
  }));
  return { tasks } as unknown as RunRecord;
}

/** A run whose plan waits. */
function runWithPlan(): RunRecord {
  const proposed = { tasks: [{ id: "first", description: "the \u001b[31mfirst task" }] };
  return { tasks: [], planApproval: { status: "waiting", proposed } } as unknown as RunRecord;
}

describe("what waits for approval", () => {
  test("is asked for on a terminal, once, with the plan", async () => {
    const { approvals, input, text, approve, view, holds } = setUp();
    approvals.look(runWithPlan(), view);
    approvals.look(runWithPlan(), view);
    input.write("what?\nyes\n");
    await vi.waitFor(() => expect(approve).toHaveBeenCalledWith("r1", "plan", { by: expect.any(String) }));
    expect(text()).toMatch(
      /first · the \ufffd\[31mfirst task[\s\S]*The plan waits for approval\. Go on\? \[y\/n\]/,
    );
    expect(holds()).toBe(1);
  });

  test("is rejected if the answer is no, or nobody is there any more", async () => {
    const { approvals, input, reject, view } = setUp();
    approvals.look(runWith("a"), view);
    input.write("n\n");
    await vi.waitFor(() => expect(reject).toHaveBeenCalledTimes(1));
    approvals.look(runWith("a", "b"), view);
    input.end();
    await vi.waitFor(() => expect(reject).toHaveBeenLastCalledWith("r1", "b", expect.anything()));
  });

  test("is told with the commands where nobody can be asked", async () => {
    const { approvals, text, approve, view } = setUp({ isTTY: false });
    approvals.look(runWith("a"), view);
    await vi.waitFor(() => expect(text()).toContain("goalpost approve r1 a --by NAME"));
    expect(approve).not.toHaveBeenCalled();
  });

  test("can be a call of a tool, each one by itself", async () => {
    const { approvals, input, text, approve, view } = setUp();
    const call = (id: string): object => ({ kind: "approval", call: { id, tool: "pay", args: { usd: 5 } } });
    const task = {
      id: "a",
      description: "d",
      status: "suspended",
      approval: null,
      waitingFor: [call("c1"), call("c2")],
    };
    approvals.look({ tasks: [task] } as unknown as RunRecord, view);
    input.write("y\n");
    await vi.waitFor(() => expect(approve).toHaveBeenCalledTimes(1));
    input.write("y\n");
    await vi.waitFor(() => expect(approve).toHaveBeenCalledTimes(2));
    expect(approve).toHaveBeenNthCalledWith(1, "r1", "a", { by: expect.any(String), call: "c1" });
    expect(approve).toHaveBeenNthCalledWith(2, "r1", "a", { by: expect.any(String), call: "c2" });
    expect(text()).toContain('pay({"usd":5})');
  });

  test("is not decided once the run is over", async () => {
    const { approvals, input, approve, reject, view } = setUp();
    approvals.look(runWith("a"), view);
    await new Promise(setImmediate);
    approvals.close();
    input.write("y\n");
    await new Promise(setImmediate);
    expect([approve.mock.calls, reject.mock.calls]).toEqual([[], []]);
  });

  test("cannot be waited for where nobody could decide", () => {
    const options = { approvePlan: true, database: "pglite:db" };
    expect(() => checkApprover(options, terminal(false))).toThrow(/--yes/);
    checkApprover(options, terminal(true));
    checkApprover({ ...options, yes: true }, terminal(false));
    checkApprover({ ...options, database: "postgres://x" }, terminal(false));
  });
});
