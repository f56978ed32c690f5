// A supervisor and three specialists write a report: npx jiti examples/supervisor.ts
// The specialists are a function, an agent with an inbox of its own, and a workflow. With a model, `decide` would ask it.
import {
  Goalpost,
  type Json,
  type SupervisorChoice,
  type SupervisorView,
  supervisor,
  workflow,
} from "goalpost";

const review = workflow<Json>("review").step("read", ({ run }) => ({
  text: run,
  words: String(run).split(" ").length,
}));

function decide({ task, done }: SupervisorView): SupervisorChoice {
  const [facts, draft, reviewed] = done;
  if (!facts) {
    return { assign: [{ to: "researcher", task }] };
  }
  if (!draft) {
    return { assign: [{ to: "writer", task: facts.output }] };
  }
  return reviewed ? { result: reviewed.output } : { assign: [{ to: "reviewer", task: draft.output }] };
}

const report = workflow<{ topic: string }>("report").step("supervise", ({ run }, ctx) =>
  supervisor(ctx, {
    task: run.topic,
    members: {
      researcher: (topic) => [`${topic} are old`, `${topic} are loved`],
      writer: "agent:writer",
      reviewer: review,
    },
    decide,
    maxRounds: 5,
  }),
);

const gp = await Goalpost.open({ database: "memory:" });
await gp.agents.register("writer", {
  description: "Makes sentences of facts",
  capabilities: ["writing"],
  onMessage: ({ payload }) => `${payload.join(", and ")}.`,
});

const { output } = await gp.execute(report, { topic: "bicycles" });
console.log(output.supervise);
await gp.close();
