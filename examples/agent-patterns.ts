// Four ways to work together: npx jiti examples/agent-patterns.ts
// All members are plain functions here; `agent:NAME` and workflows take part in the same way.
import { debate, Goalpost, handOff, mapReduce, vote, workflow } from "goalpost";

const meeting = workflow<{ files: readonly string[] }>("meeting")
  .step("read", ({ run }, ctx) =>
    mapReduce(ctx, {
      items: run.files,
      map: (file) => ({ file, length: String(file).length }),
      reduce: (parts) => ({ files: parts.length }),
    }),
  )
  .step("argue", { after: ["read"] }, (_, ctx) =>
    debate(ctx, {
      question: "Which one first?",
      debaters: {
        oldest: () => "the oldest",
        shortest: ({ round }) => (round === 1 ? "the shortest" : "fine, the oldest"),
      },
      judge: ({ said }) =>
        new Set(Object.values(said.at(-1) ?? {})).size > 1 && said.length < 2
          ? null
          : { verdict: "the oldest" },
    }),
  )
  .step("decide", { after: ["argue"] }, (_, ctx) =>
    vote(ctx, {
      question: "Begin today?",
      options: ["yes", "no"],
      voters: { ann: () => "yes", bob: () => "no", cy: () => "yes" },
    }),
  )
  .step("deliver", { after: ["decide"] }, (_, ctx) =>
    handOff(ctx, {
      task: "deliver it",
      start: "desk",
      members: {
        desk: () => ({ handTo: "courier", note: "fragile" }),
        courier: ({ history }) => ({ result: history }),
      },
      maxRounds: 3,
    }),
  );

const gp = await Goalpost.open({ database: "memory:" });
const { runId } = await gp.execute(meeting, { files: ["a.md", "b.md"] });
const { tasks } = await gp.runs.get(runId);
for (const { id, output } of tasks) {
  console.log(id, JSON.stringify(output));
}
await gp.close();
