// A buyer and a seller negotiate in two processes: DATABASE_URL=postgres://… npx jiti examples/agents-negotiate.ts
// The seller's process is killed in the middle of it and started again; nothing is lost, and no offer is made twice.
// Without a PostgreSQL server the seller is another client in this process, which is closed and opened again.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { PGlite } from "@electric-sql/pglite";
import { type AgentContext, type AgentMessage, Goalpost } from "goalpost";

const { DATABASE_URL } = process.env;

interface Offer {
  readonly price: number;
  readonly round: number;
}

/** Comes down by 10 each round, and never below 70. */
const seller = {
  description: "Sells a bicycle",
  capabilities: ["sells"],
  onMessage: async ({ from, payload }: AgentMessage<Offer>, ctx: AgentContext<Offer>) => {
    // Long enough to be killed in.
    await sleep(50);
    const asking = Math.max(70, 120 - 10 * payload.round);
    const type = payload.price >= asking ? "sold" : "ask";
    await ctx.send({
      to: from ?? "",
      type,
      payload: { price: Math.max(asking, payload.price), round: payload.round },
    });
  },
};

/** Goes up by 5 each round, and says so when it is done. */
function makeBuyer(onDone: (price: number) => void) {
  return {
    description: "Buys a bicycle",
    onMessage: async ({ from, type, payload }: AgentMessage<Offer>, ctx: AgentContext<Offer>) => {
      console.log(
        `round ${payload.round}: the seller ${type === "sold" ? "sells for" : "asks"} ${payload.price}`,
      );
      if (type === "sold") {
        onDone(payload.price);
        return;
      }
      const round = payload.round + 1;
      await ctx.send({ to: from ?? "", type: "offer", payload: { price: 50 + 5 * round, round } });
    },
  };
}

async function main(): Promise<void> {
  const database = DATABASE_URL ?? (await PGlite.create());
  const gp = await Goalpost.open({ database });
  let other = await startSeller(database);
  const sold = new Promise<number>((resolve) => {
    void gp.agents.register("buyer", makeBuyer(resolve));
  });
  await gp.agents.send({
    from: "buyer",
    to: "seller",
    type: "offer",
    payload: { price: 50, round: 0 },
    conversationId: "the bicycle",
  });

  await sleep(250);
  console.log("the seller's process is killed");
  await other.kill();
  other = await startSeller(database);
  console.log("and started again");

  console.log(`agreed on ${await sold}`);
  for (const { name, deadLetters, instances } of await gp.agents.list()) {
    console.log(`${name}: ${deadLetters} dead letters, handled by ${instances.map(({ id }) => id)}`);
  }
  await other.kill();
  await gp.close();
}

/** Starts who sells; resolves when it does. */
async function startSeller(database: string | PGlite): Promise<{ kill: () => Promise<unknown> }> {
  if (typeof database !== "string") {
    const gp = await Goalpost.open({ database });
    await gp.agents.register("seller", seller);
    return { kill: () => gp.close({ graceMs: 0 }) };
  }
  const child: ChildProcess = fork(new URL(import.meta.url).pathname, ["sell"], {
    execArgv: ["--import", "jiti/register"],
  });
  await once(child, "message");
  return {
    kill: () => {
      child.kill("SIGKILL");
      return once(child, "exit");
    },
  };
}

if (process.argv[2] === "sell") {
  const gp = await Goalpost.open({ database: DATABASE_URL });
  await gp.agents.register("seller", seller);
  process.send?.("ready");
} else {
  await main();
}
