import { Goalpost, workflow } from "goalpost";

// A step is given the outputs of the steps it comes after, typed, and the run's input as `run`.
const shipOrder = workflow<{ orderId: string; quantity: number }>("ship_order")
  .step("fetch", async ({ run }) => ({ id: run.orderId, weightKg: run.quantity * 1.5 }))
  .step(
    "price",
    { after: ["fetch"], maxAttempts: 5 },
    async ({ fetch, run }) => run.quantity * 20 + fetch.weightKg,
  )
  .step("label", { after: ["fetch"] }, async ({ fetch }, ctx) => {
    // A retry of this step gets the same number again.
    const number = await ctx.once("number", () => Math.floor(Math.random() * 1e6));
    return `${fetch.id}-${number}`;
  })
  .step("send", { after: ["price", "label"] }, async ({ price, label }) => ({ sent: label, total: price }));

const gp = await Goalpost.open({ database: "memory:" });
const { output } = await gp.execute(shipOrder, { orderId: "A-7", quantity: 3 });
console.log(output.send);
await gp.close();
