import { PGlite } from "@electric-sql/pglite";
import { Goalpost, Hub, type PGliteLike, rule, rules } from "goalpost";

// Usually the hub's database is a PostgreSQL that all can reach, and `goalpost hub --database URL` works there. Here it is
// that of one of the two; and all happens when it is told to, not every some seconds.
await using first = await PGlite.create();
const database = first as unknown as PGliteLike;
await using hub = await Hub.open({ database, start: false });
// A copy, as long as there is nothing in it: that is quicker than making another one.
await using second = (await first.clone()) as PGlite;
const link = { database, start: false };
await using berlin = await Goalpost.open({ database, instanceId: "berlin", hub: link });
const copy = second as unknown as PGliteLike;
await using lisbon = await Goalpost.open({ database: copy, instanceId: "lisbon", hub: link });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const decomposer = rules([
  rule("report on {what}", ({ what }) => [
    { id: "fetch", description: `fetch ${what}` },
    { id: "chart", description: `draw ${what}`, dependsOn: ["fetch"] },
    { id: "summarize", description: `sum up ${what}`, dependsOn: ["fetch"] },
  ]),
]);
const steps = { fetch: () => pause(5), chart: () => pause(40), summarize: () => pause(15) };

// Each has seen work that the other has not.
for (const month of ["May", "June", "July", "August", "September", "October"]) {
  await berlin.executeGoal(`report on ${month}`, decomposer, steps);
}
const pages = ["one", "two", "three", "four"].map((id) => ({
  id,
  description: `page ${id}`,
  step: "translate",
}));
await lisbon.executeGraph(pages, { translate: () => pause(25) });

for (const gp of [berlin, lisbon]) {
  await gp.learning.flush();
  await gp.learning.fleet?.publish();
}
await hub.tick();

for (const gp of [berlin, lisbon]) {
  await gp.learning.fleet?.sync();
  console.log(`${gp.instanceId} learned from others:`);
  for (const { kind, medianMs, samples } of gp.learning.fleet?.lessons ?? []) {
    console.log(`  ${kind} takes about ${Math.round(medianMs)} ms (${Math.round(samples)} tries)`);
  }
}
console.log(`the hub has heard of ${(await hub.status()).sources.length} databases`);
