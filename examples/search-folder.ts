// Search a folder by what its files say: npx jiti examples/search-folder.ts [FOLDER] [QUESTION]
// The model "hash" needs no download and finds texts that share words; for meanings use "local" or a provider's.
import { Goalpost, Ingest } from "goalpost";

const [folder = import.meta.dirname, question = "wait for a person who approves"] = process.argv.slice(2);

const gp = await Goalpost.open({ database: "memory:" });
const { output } = await gp.execute(Ingest, { folder, collection: "files", model: "hash" });
console.log(`${output.finish.files} files, ${output.finish.chunks} chunks`);

for (const hit of await gp.documents.search("files", question, { mode: "hybrid", limit: 3 })) {
  console.log(`${hit.metadata.path} at ${hit.start}: ${hit.text.replaceAll(/\s+/g, " ").slice(0, 90)}`);
}
await gp.close();
