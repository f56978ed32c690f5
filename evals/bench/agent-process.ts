// The other process of the bench's part `agents`: handles the messages of agent "sink", and tells its parent.
import { Goalpost, silentLogger } from "goalpost";

const [database = "", count = "0"] = process.argv.slice(2);
const gp = await Goalpost.open({ database, logger: silentLogger });
let handled = 0;
const waitsMs: number[] = [];
await gp.agents.register("sink", {
  description: "counts",
  concurrency: 64,
  onMessage: ({ type, payload }) => {
    if (type === "timed") {
      waitsMs.push(Number(process.hrtime.bigint() - BigInt(payload.sentAt)) / 1e6);
      process.send?.({ waitsMs });
      return;
    }
    handled += 1;
    if (handled === Number(count)) {
      process.send?.({ handled });
    }
  },
});
process.send?.("ready");
process.once("message", () => void gp.close().then(() => process.disconnect()));
