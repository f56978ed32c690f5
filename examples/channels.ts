import { Goalpost, type Message, workflow } from "goalpost";

interface Progress {
  part: string;
  done: boolean;
}

await using gp = await Goalpost.open({ database: "memory:" });

const bake = workflow("bake")
  .step("mix", () => gp.channels.send("kitchen", { part: "dough", done: true }))
  .step("bake", { after: ["mix"] }, async () => {
    // Not stored: only for those who listen now.
    await gp.channels.notify("kitchen", { part: "bread", done: false });
    await gp.channels.send("kitchen", { part: "bread", done: true });
  });

// From the beginning: 0. To go on after a restart, keep message.seq where the work is kept and pass that.
const baked = new Promise<void>((resolve, reject) => {
  const show = ({ seq, payload }: Message<Progress>): void => {
    console.log(seq, payload.part, payload.done ? "is done" : "is in the oven");
    if (payload.part === "bread" && payload.done) {
      resolve();
    }
  };
  gp.channels.listen("kitchen", show, { after: 0 }).catch(reject);
});
await gp.execute(bake, null);
await baked;
console.log(`${(await gp.channels.history("kitchen")).length} messages are stored`);
