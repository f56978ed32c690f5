import { readFile } from "node:fs/promises";
import { executeGoal, rule, rules } from "goalpost";

const decomposer = rules([
  rule("compare {a} with {b}", ({ a, b }) => [
    { id: "left", description: `read ${a}`, step: "read", args: { file: a } },
    { id: "right", description: `read ${b}`, step: "read", args: { file: b } },
    { id: "compare", description: "compare the two", dependsOn: ["left", "right"] },
  ]),
]);
const result = await executeGoal("Compare README.md with package.json", decomposer, {
  read: async (_, ctx) => (await readFile(ctx.args.file, "utf8")).split("\n").length,
  compare: async ({ left, right }) => `${left} lines against ${right}`,
});
console.log(result.output);
