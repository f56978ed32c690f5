import { llmDecomposer } from "goalpost";
import { serveModel } from "./support/local-model.ts";
import { planAndRun } from "./support/weekly-report.ts";

// A model makes the plan, and the steps ask models, too. Here they are a local server with prepared answers; with-a-key/
// has the same with the key of a vendor.
const plan = {
  tasks: [
    { id: "pros", description: "what speaks for it", step: "argue", args: { side: "for" }, dependsOn: [] },
    {
      id: "cons",
      description: "what speaks against it",
      step: "argue",
      args: { side: "against" },
      dependsOn: [],
    },
    { id: "verdict", description: "weigh them up", step: "decide", args: {}, dependsOn: ["pros", "cons"] },
  ],
};
const server = await serveModel((asked) => {
  if (asked.startsWith("Give one argument")) {
    return asked.includes("against") ? "It costs a day." : "It saves an hour a week.";
  }
  return asked.startsWith("Decide") ? "Do it: it pays within two months." : plan;
});
await planAndRun(
  {
    providers: { local: { baseUrl: server.baseUrl } },
    models: {
      simple: [{ provider: "local", model: "small" }],
      medium: [{ provider: "local", model: "small" }],
      complex: [{ provider: "local", model: "large" }],
    },
    prices: { small: { input: 0.1, output: 0.4 }, large: { input: 2, output: 8 } },
  },
  llmDecomposer(),
);
server.close();
