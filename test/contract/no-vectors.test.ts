import { expect, test } from "vitest";
import { describeOnEachBackend } from "./backends.ts";

// Neither the PostgreSQL nor the PGlite of the contract has pgvector.
describeOnEachBackend("a database without pgvector", (backend) => {
  test("refuses documents with words on how to get it", async () => {
    const { gp } = await backend.client();
    const unavailable = {
      code: "VECTOR_UNAVAILABLE",
      message: expect.stringContaining("create extension vector"),
    };
    await expect(gp.documents.put("notes", [{ id: "a", text: "b" }])).rejects.toMatchObject(unavailable);
    await expect(gp.documents.search("notes", "b")).rejects.toMatchObject(unavailable);
    await expect(gp.documents.delete("notes", "a")).rejects.toMatchObject(unavailable);
    expect(await gp.documents.collections()).toEqual([]);
  });
});
