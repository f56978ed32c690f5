import type { InstanceStatus, InstanceSummary } from "../index.ts";
import { formatDuration, formatTable } from "./format.ts";
import { EXIT } from "./report-error.ts";
import { withDatabase } from "./session.ts";

export interface InstancesOptions {
  readonly status?: string;
  readonly database?: string;
  readonly json?: boolean;
}

/** `goalpost instances`: who works on the database; returns the exit code. */
export async function listInstances(options: InstancesOptions): Promise<number> {
  return withDatabase(options.database, async (gp) => {
    const instances = await gp.instances.list({ status: options.status as InstanceStatus | undefined });
    if (options.json) {
      process.stdout.write(`${JSON.stringify(instances, null, 2)}\n`);
    } else if (instances.length === 0) {
      process.stdout.write("No instances yet. Start one: goalpost worker --app FILE\n");
    } else {
      const header = ["INSTANCE", "STATE", "LOAD", "QUEUES", "CAPABILITIES", "VERSION", "UP", "HEARD OF"];
      process.stdout.write(`${formatTable([header, ...instances.map(toRow)])}\n`);
      for (const warning of new Set(instances.flatMap((instance) => instance.warnings))) {
        process.stderr.write(`warning: ${warning}\n`);
      }
    }
    return EXIT.done;
  });
}

function toRow(instance: InstanceSummary): string[] {
  const { load, startedAt, heartbeatAt } = instance;
  return [
    instance.id,
    instance.status,
    // What a stopped one said last is no load.
    instance.status === "online" ? `${load.running}/${load.concurrency}` : "-",
    instance.queues.join(","),
    instance.capabilities.join(","),
    instance.version,
    formatDuration(heartbeatAt.getTime() - startedAt.getTime()),
    `${formatDuration(Date.now() - heartbeatAt.getTime())} ago`,
  ];
}
