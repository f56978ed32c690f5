// Two processes share the work of a queue: DATABASE_URL=postgres://… npx jiti examples/two-processes.ts
// Without a PostgreSQL server the second one is another client in this process.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { PGlite } from "@electric-sql/pglite";
import { Goalpost, workflow } from "goalpost";

const QUEUE = "thumbnails";
const { DATABASE_URL, INSTANCE_ID = "here" } = process.env;

const makeThumbnail = workflow<{ image: string }>("make_thumbnail")
  .step("load", async ({ run }) => ({ image: run.image, pixels: run.image.length * 1000 }))
  // Only workers that have a GPU are given this step.
  .step("shrink", { after: ["load"], requires: ["gpu"] }, async ({ load }) => {
    await sleep(20);
    return `${load.image} at ${load.pixels / 10} pixels, by ${INSTANCE_ID}`;
  });

/** Opens a client whose worker serves the queue. */
async function openWorker(database: string | PGlite, capabilities: readonly string[]): Promise<Goalpost> {
  const gp = await Goalpost.open({ database, workers: { queues: [QUEUE], concurrency: 4, capabilities } });
  gp.register({ workflows: [makeThumbnail] });
  return gp;
}

async function main(): Promise<void> {
  const database = DATABASE_URL ?? (await PGlite.create());
  const gp = await openWorker(database, []);
  const other = DATABASE_URL ? startProcess() : await openWorker(database, ["gpu"]);

  const images = ["cat.png", "dog.png", "sunset.png"];
  const handles = await Promise.all(
    images.map((image) => gp.start(makeThumbnail, { image }, { queue: QUEUE })),
  );
  for (const handle of handles) {
    const { output } = await handle.result({ timeoutMs: 60_000 });
    console.log(output.shrink);
  }
  for (const instance of await gp.instances.list({ status: "online" })) {
    console.log(`${instance.id} serves ${instance.queues} with [${instance.capabilities}]`);
  }

  await (other instanceof Goalpost ? other.close() : other.stop());
  await gp.close();
}

function startProcess(): { stop: () => Promise<unknown> } {
  const child = fork(new URL(import.meta.url).pathname, ["work"], {
    execArgv: ["--import", "jiti/register"],
    env: { ...process.env, INSTANCE_ID: "the other process" },
  });
  return {
    stop: () => {
      child.kill("SIGTERM");
      return once(child, "exit");
    },
  };
}

if (process.argv[2] === "work") {
  // What `goalpost worker --queue thumbnails --capability gpu --app FILE` does.
  const gp = await openWorker(DATABASE_URL ?? "", ["gpu"]);
  process.once("SIGTERM", () => void gp.close());
} else {
  await main();
}
