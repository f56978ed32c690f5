import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Ingest, type IngestInput, type IngestReport } from "../../src/index.ts";
import type { PGliteLike } from "../../src/store/pglite-driver.ts";
import { openTestGoalpost, type TestGoalpost } from "../../src/testing/index.ts";
import { openVectorDatabase } from "./vector-database.ts";

let db: PGlite;
let client: TestGoalpost;
let folder = "";
let collection = "";
let count = 0;

beforeAll(async () => {
  db = await openVectorDatabase();
  client = await openTestGoalpost({ database: db as unknown as PGliteLike });
});
afterAll(async () => {
  await client.close();
  await db.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "goalpost-ingest-"));
  collection = `folder ${++count}`;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

async function ingest(options: Partial<IngestInput> = {}): Promise<IngestReport> {
  const handle = await client.gp.start(Ingest, { folder, collection, model: "hash", ...options });
  await client.settle();
  return (await handle.result()).output.finish;
}

async function paths(): Promise<unknown[]> {
  const hits = await client.gp.documents.search(collection, "text", { limit: 100 });
  return hits.map(({ metadata }) => metadata.path).sort();
}

test("the text files of a folder are found; secrets, builds, binaries and links are left out", async () => {
  write({
    "a.md": "# Text\n\nof a",
    "src/b.ts": "export const text = 1;\n",
    ".env": "KEY=text",
    id_rsa: "text",
    "node_modules/c.js": "text",
    "d.png": Uint8Array.from([137, 80, 78, 71, 0, 1]),
    "e.txt": Uint8Array.from([0xff, 0xfe, 0x41]),
    "empty.txt": "",
  });
  symlinkSync(join(folder, "a.md"), join(folder, "link.md"));
  expect(await ingest()).toMatchObject({ files: 2, unchanged: 0, removed: 0, chunks: 2, embedded: 2 });
  expect(await paths()).toEqual(["a.md", "src/b.ts"]);
});

test("a second time only what changed is embedded, and what is gone is removed", async () => {
  write({ "a.txt": "text of a", "b.txt": "text of b", "c.txt": "text of c" });
  await ingest();
  write({ "b.txt": "text of b, changed" });
  rmSync(join(folder, "c.txt"));
  expect(await ingest()).toMatchObject({ files: 2, unchanged: 1, removed: 1, chunks: 1, embedded: 1 });
  expect(await paths()).toEqual(["a.txt", "b.txt"]);
  rmSync(join(folder, "a.txt"));
  rmSync(join(folder, "b.txt"));
  expect(await ingest()).toMatchObject({ files: 0, removed: 2 });
});

test("another folder in the same collection is left alone", async () => {
  write({ "one/a.txt": "text of one", "two/a.txt": "text of two" });
  await ingest({ folder: join(folder, "one") });
  expect(await ingest({ folder: join(folder, "two") })).toMatchObject({ removed: 0 });
  expect(await paths()).toEqual(["a.txt", "a.txt"]);
});

test("another model embeds all of the collection again", async () => {
  write({ "a.txt": "text of a" });
  await ingest();
  expect(await ingest({ model: "hash-512" })).toMatchObject({ files: 1, unchanged: 1, embedded: 1 });
  const [held] = (await client.gp.documents.collections()).filter(({ name }) => name === collection);
  expect(held).toMatchObject({ dimensions: 512, chunks: 1 });
});

test("a run that was cut off goes on with the batches that are not done", async () => {
  write(Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`f${i}.txt`, `text of ${i}`])));
  const { runId } = await client.gp.start(
    Ingest,
    { folder, collection, model: "hash" },
    { idempotencyKey: folder },
  );
  await client.tick();
  await client.tick();
  // Another client takes the run over, as after a crash of this one.
  await client.close();
  client = await openTestGoalpost({ database: db as unknown as PGliteLike });
  const again = await client.gp.start(
    Ingest,
    { folder, collection, model: "hash" },
    { idempotencyKey: folder },
  );
  await client.settle();
  const { finish } = (await again.result()).output;
  expect(again.runId).toBe(runId);
  expect(finish).toMatchObject({ files: 120, removed: 0 });
  expect(await paths()).toHaveLength(100);
});

test("a folder that is not there fails the run with INVALID_INPUT", async () => {
  const missing = ingest({ folder: join(folder, "none") });
  await expect(missing).rejects.toMatchObject({ code: "RUN_FAILED", cause: { code: "INVALID_INPUT" } });
});
