import { fileURLToPath } from "node:url";
import { Goalpost, ingest, silentLogger } from "goalpost";

// Embeds a folder and searches it by meaning, on the embedded database and without any key: model "hash" counts words and
// parts of words. Name another model for one that understands, such as "openai/text-embedding-3-small" or "local".
await using gp = await Goalpost.open({ database: "memory:", logger: silentLogger });
const folder = fileURLToPath(new URL(".", import.meta.url));
const { output } = await gp.execute(ingest(gp.documents), { folder, collection: "examples", model: "hash" });
console.log(`${output.tidy.files} files, ${output.tidy.chunks} chunks`);

for (const question of ["two agents that negotiate a price", "wait for a person to approve"]) {
  const hits = await gp.documents.search("examples", question, { mode: "hybrid", limit: 4 });
  console.log(`${question}: ${[...new Set(hits.map(({ id }) => id))].join(", ")}`);
}

// Again: nothing has changed, so nothing is embedded.
const again = await gp.execute(ingest(gp.documents), { folder, collection: "examples" });
console.log(`again: ${again.output.tidy.unchanged} unchanged, ${again.output.tidy.embedded} chunks embedded`);
