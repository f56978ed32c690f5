import { Goalpost, workflow } from "goalpost";

// While it waits, the step holds no slot of a worker. It can wait for weeks, over restarts of the process.
const order = workflow<{ id: string }>("order").step("pay", async ({ run }, ctx) => {
  const paid = ctx.waitFor<{ cents: number }>("paid");
  const first = await Promise.race([paid, ctx.sleep(100)]);
  if (!first) {
    // After a wait a step is called again from its first line: what it does in `once` it does once.
    await ctx.once("reminder", () => remind(run.id, ctx.runId));
  }
  return { id: run.id, cents: (await paid).cents };
});

const gp = await Goalpost.open({ database: "memory:" });

/** The customer pays when reminded. */
function remind(orderId: string, runId: string): void {
  console.log(`order ${orderId} is not paid yet`);
  setTimeout(() => gp.runs.signal(runId, "paid", { cents: 1999 }), 100);
}

const { output } = await gp.execute(order, { id: "A-7" });
console.log(output.pay);
await gp.close();
