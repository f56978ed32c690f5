import { type Goalpost, workflow } from "goalpost";

/** The run that is measured: three trivial steps, each given the output of the one before. */
export const threeSteps = workflow<{ x: number }>("three_steps")
  .step("a", async ({ run }) => run.x + 1)
  .step("b", { after: ["a"] }, async ({ a }) => a * 2)
  .step("c", { after: ["b"] }, async ({ b }) => b + 1);

export const STEPS_PER_RUN = 3;

/** Runs it and checks what it returns. */
export async function runThreeSteps(gp: Goalpost, x: number): Promise<void> {
  const { output } = await gp.execute(threeSteps, { x });
  checkThreeSteps(output.c, x);
}

export function checkThreeSteps(c: number, x: number): void {
  if (c !== (x + 1) * 2 + 1) {
    throw new Error(`run ${x} returned ${c}`);
  }
}
