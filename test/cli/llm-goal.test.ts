import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createDatabase } from "../contract/backends.ts";

const main = join(new URL("../../", import.meta.url).pathname, "dist/cli/main.js");
const KEY = "sk-test-of-the-command-line";

let folder: string;
let database: string;
let baseUrl: string;
/** What the model says when it is told of the steps. */
let plan: unknown;
const bodies: string[] = [];

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
  }
  bodies.push(body);
  const said = body.includes("http_get") ? JSON.stringify(plan) : "Three words only.";
  send(response, said, JSON.parse(body).stream === true);
});

/** An answer of a server that is compatible with OpenAI's chat completions. */
function send(response: ServerResponse, said: string, stream: boolean): void {
  const about = { id: "chat_1", created: 1, model: "gpt-6-luna" };
  const usage = { prompt_tokens: 1000, completion_tokens: 20, total_tokens: 1020 };
  if (!stream) {
    const message = { role: "assistant", content: said, refusal: null };
    const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...about, object: "chat.completion", choices, usage }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const events = [
    { choices: [{ index: 0, delta: { role: "assistant", content: said }, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
    { choices: [], usage },
  ];
  for (const event of events) {
    response.write(`data: ${JSON.stringify({ ...about, object: "chat.completion.chunk", ...event })}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "goalpost-llm-goal-"));
  writeFileSync(join(folder, "notes.md"), "The moon is far away.\n");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  database = await createDatabase();
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  bodies.length = 0;
});

async function goalpost(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, ["--liftoff-only", main, ...args], {
    cwd: folder,
    env: {
      ...process.env,
      NO_COLOR: "1",
      GOALPOST_DATABASE_URL: database,
      OPENAI_API_KEY: KEY,
      OPENAI_BASE_URL: baseUrl,
      ANTHROPIC_API_KEY: "",
      GEMINI_API_KEY: "",
      GOOGLE_API_KEY: "",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const [code] = await once(child, "close");
  return { code: code as number, out, err };
}

const SUMMARY = {
  tasks: [
    {
      id: "read",
      description: "Read the notes",
      step: "read_files",
      args: { paths: ["*.md"] },
      dependsOn: [],
    },
    {
      id: "sum_up",
      description: "Sum them up",
      step: "llm",
      args: { prompt: "Sum up in three words", inputs: [{ name: "notes", value: { $ref: "read" } }] },
      dependsOn: ["read"],
    },
    {
      id: "keep",
      description: "Keep the summary",
      step: "write_file",
      args: { path: "summary.md", content: { $ref: "sum_up" } },
      dependsOn: ["sum_up"],
    },
  ],
};

test("with a key any goal is planned by a model, carried out, and its cost told", async () => {
  plan = SUMMARY;
  const { code, out, err } = await goalpost(
    "run",
    "Sum up my notes",
    "--model",
    "gpt-6-luna",
    "--provider",
    "openai",
  );
  expect(err).toBe("");
  expect(out).toMatch(/✓ read[\s\S]*✓ sum_up[\s\S]*✓ keep/);
  expect(out).toMatch(/Done in .*\. 2 model calls, 2,000 tokens in, 40 out, \$0\.000/);
  expect(readFileSync(join(folder, "summary.md"), "utf8")).toBe("Three words only.");
  expect(bodies).toHaveLength(2);
  // The planner is told of the safe steps, the second call of what was read.
  expect(bodies[0]).toContain("http_get");
  expect(bodies[0]).not.toContain("measureFiles");
  expect(bodies[1]).toContain("The moon is far away.");
  expect(code).toBe(0);
});

test("recipes come first, and cost nothing", async () => {
  const { code, out } = await goalpost("plan", "report on the code in .");
  expect(out).toContain("measure");
  expect(bodies).toEqual([]);
  expect(code).toBe(0);
});

test("a plan that leaves the folder is stopped by its step, whatever the model wants", async () => {
  plan = {
    tasks: [
      {
        id: "steal",
        description: "Read",
        step: "read_files",
        args: { paths: ["../../../etc/passwd"] },
        dependsOn: [],
      },
    ],
  };
  const { code, err, out } = await goalpost("run", "Look around", "--model", "gpt-6-luna");
  expect(err, `exit code ${code}, standard output: ${out}`).toMatch(
    /"\.\.\/\.\.\/\.\.\/etc\/passwd" is refused/,
  );
  expect(code).toBe(1);
});

test("a budget that is too small stops the goal before it is exceeded", async () => {
  plan = SUMMARY;
  const { code, err } = await goalpost(
    "run",
    "Sum up cheaply",
    "--model",
    "gpt-6-luna",
    "--budget",
    "0.000001",
  );
  expect(err).toContain("BUDGET_EXCEEDED");
  expect(bodies).toEqual([]);
  expect(code).toBe(1);
});

test("a plan that is to be approved is shown, and approved with --yes", async () => {
  plan = SUMMARY;
  const { code, out } = await goalpost(
    "run",
    "Sum up again",
    "--model",
    "gpt-6-luna",
    "--approve-plan",
    "--yes",
  );
  expect(out).toContain("✓ keep");
  expect(code).toBe(0);
});

test("no key is ever printed or stored", async () => {
  plan = SUMMARY;
  const { out, err } = await goalpost("run", "Sum up once more", "--model", "gpt-6-luna", "--json");
  const shown = await goalpost("show", "--json");
  expect(out + err + shown.out).not.toContain(KEY);
});
