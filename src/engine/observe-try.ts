import type { Spent, Tried } from "../core/tried.ts";
import { carryOut } from "./attempt.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import { stepOf } from "./one-call.ts";
import type { Report } from "./protocol.ts";

/** Carries out one try and tells what came of it, if it came to an end. */
export async function observed(
  options: AttemptOptions,
  tell: ((tried: Tried) => void) | undefined,
): Promise<Report | undefined> {
  const { kind, spec } = options.node;
  if (!tell || (kind !== "step" && kind !== "map") || spec.same !== undefined) {
    return carryOut(options);
  }
  const { clock } = options;
  const elapsed = clock.elapsed ?? clock.now;
  let spent: Spent | undefined;
  options.spend = ({ provider, model, usage }) => {
    spent ??= { costUsd: 0, inputTokens: 0, outputTokens: 0, model: undefined };
    spent.costUsd = usage.costUsd === null || spent.costUsd === null ? null : spent.costUsd + usage.costUsd;
    spent.inputTokens += usage.inputTokens;
    spent.outputTokens += usage.outputTokens;
    spent.model = `${provider}/${model}`;
  };
  const beganAt = elapsed.call(clock);
  const report = await carryOut(options);
  const runMs = elapsed.call(clock) - beganAt;
  if (report && isEnd(report.outcome)) {
    const { outcome, payload } = report;
    const { task, node, inputs } = options;
    tell({
      step: stepOf(node),
      task: taskOf(options),
      runId: task.runId,
      position: task.position,
      item: task.item,
      failures: task.failures,
      whole: task.delivery === task.failures + 1 && task.waits.length === 0 && !options.rescued,
      outcome,
      code: outcome === "completed" ? undefined : (JSON.parse(payload) as { code: string }).code,
      at: clock.now(),
      runMs,
      spent,
      inputs: task.item < 0 ? inputs : task.itemInput,
    });
  }
  return report;
}

function isEnd(outcome: Report["outcome"]): outcome is Tried["outcome"] {
  return outcome === "completed" || outcome === "retry" || outcome === "failed";
}

/** Shared definitions recur as they are; of planned ones the plan says which graph it is. */
function taskOf({ node, run, definition }: AttemptOptions): string | undefined {
  const shape = node.spec.shape ?? (run.source === "planned" ? undefined : definition?.hash.slice(0, 16));
  return shape === undefined ? undefined : `${shape}/${node.name}`;
}
