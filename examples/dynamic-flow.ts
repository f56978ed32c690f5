import { Goalpost } from "goalpost";

const gp = await Goalpost.open({ database: "memory:" });

// A flow is rows in the database: any program can build it, step by step, and doing it again changes nothing.
const flow = await gp.flows.create("order_report", { maxAttempts: 5 });
await gp.flows.addStep(flow, "fetch_orders");
await gp.flows.addStep(flow, "total", { after: ["fetch_orders"] });
await gp.flows.addStep(flow, "largest", { after: ["fetch_orders"], timeoutMs: 1000 });
await gp.flows.addStep(flow, "report", { after: ["total", "largest"] });

// The functions are given at the start, by the names of the steps.
const steps = {
  fetch_orders: async ({ run }: { run: { day: string } }) => [
    { day: run.day, usd: 12 },
    { day: run.day, usd: 30 },
  ],
  total: async ({ fetch_orders }: { fetch_orders: { usd: number }[] }) =>
    fetch_orders.reduce((sum, order) => sum + order.usd, 0),
  largest: async ({ fetch_orders }: { fetch_orders: { usd: number }[] }) =>
    Math.max(...fetch_orders.map((order) => order.usd)),
  report: async ({ run, total, largest }: { run: { day: string }; total: number; largest: number }) =>
    `${run.day}: ${total} USD, the largest order ${largest} USD`,
};
const { output } = await gp.executeDynamic(flow, { day: "Monday" }, steps);
console.log(output.report);
await gp.close();
