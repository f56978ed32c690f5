import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Goalpost, silentLogger, workflow } from "goalpost";
import { always, scriptedModel } from "goalpost/testing";
import OpenAI from "openai";
import { exposeCollector } from "./collector.ts";
import type { BenchContext } from "./section.ts";
import { median, round, time } from "./statistics.ts";
import { runThreeSteps } from "./three-steps.ts";
import { withDatabase } from "./with-postgres.ts";

export interface LlmFigures {
  /** Against a server on this machine that answers at once; calls of both kinds in turn. */
  readonly call: {
    readonly bareP50Ms: number;
    /** Through ctx.llm: reserved, called, settled, remembered. */
    readonly ctxP50Ms: number;
    /** The median of the differences, pair by pair. */
    readonly overheadMs: number;
  };
  readonly crowd: {
    readonly calls: number;
    /** Until all of them were answered; each model call takes 200 ms. */
    readonly tookMs: number;
    /** The heap after a collection: before, and after each round. */
    readonly heapMb: readonly number[];
    /** A plain three-step run alone, and beside the crowd. */
    readonly aloneP50Ms: number;
    readonly besideP50Ms: number;
    readonly besideMaxMs: number;
  };
}

const MODEL = "gpt-6-luna";
const ANSWER_MS = 200;
const ROUNDS = 4;
const WARM_UP = 20;

/** What a call costs besides the provider's time, and what a thousand of them at once do to a worker. */
export function measureLlm({ server, size }: BenchContext): Promise<LlmFigures> {
  return withDatabase(server, async (database) => ({
    call: await measureCall(database, size(600)),
    crowd: await measureCrowd(database, size(1000)),
  }));
}

async function measureCall(database: string, calls: number): Promise<LlmFigures["call"]> {
  await using provider = await startProvider();
  const { baseUrl } = provider;
  const client = new OpenAI({ apiKey: "bench", baseURL: baseUrl, maxRetries: 0, timeout: 10_000 });
  await using gp = await Goalpost.open({
    database,
    logger: silentLogger,
    llm: {
      providers: { openai: { apiKey: "bench", baseUrl, api: "responses" }, anthropic: false, gemini: false },
    },
  });
  const bare: number[] = [];
  const through: number[] = [];
  const ask = workflow("bench_llm_call").step("ask", { timeoutMs: 600_000 }, async (_, ctx) => {
    for (let n = 0; n < calls + WARM_UP; n++) {
      const text = `question ${n}`;
      const one = await time(() => client.responses.create({ model: MODEL, input: text, store: false }));
      const other = await time(() =>
        ctx.llm({ messages: [{ role: "user", content: text }], model: MODEL, provider: "openai" }),
      );
      if (n >= WARM_UP) {
        bare.push(one);
        through.push(other);
      }
    }
  });
  const { usage } = await gp.execute(ask, null);
  if (usage.calls !== calls + WARM_UP) {
    throw new Error(`${usage.calls} calls are on the ledger, not ${calls + WARM_UP}`);
  }
  return {
    bareP50Ms: round(median(bare)),
    ctxP50Ms: round(median(through)),
    overheadMs: round(median(through.map((ms, n) => ms - (bare[n] ?? 0)))),
  };
}

async function measureCrowd(database: string, calls: number): Promise<LlmFigures["crowd"]> {
  const collect = exposeCollector();
  const model = scriptedModel([always({ text: "done", delayMs: ANSWER_MS })], { keepCalls: false });
  await using gp = await Goalpost.open({
    database,
    logger: silentLogger,
    llm: { providers: { scripted: model, openai: false, anthropic: false, gemini: false } },
    workers: { concurrency: calls + 50 },
  });
  const crowd = workflow<readonly number[]>("bench_llm_crowd").map("ask", {}, async (n, ctx) => {
    const content = `question ${n}`;
    const { response } = await ctx.llm({
      messages: [{ role: "user", content }],
      model: "m",
      provider: "scripted",
    });
    return response;
  });
  const items = Array.from({ length: calls }, (_, n) => n);
  const alone = await plainRuns(gp, () => false, 100);
  const heap = (): number => {
    collect();
    return round(process.memoryUsage().heapUsed / 2 ** 20);
  };
  await gp.execute(crowd, items);
  const heapMb = [heap()];
  const took: number[] = [];
  const beside: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    let over = false;
    const crowdRun = time(() => gp.execute(crowd, items)).then((ms) => {
      over = true;
      took.push(ms);
    });
    beside.push(...(await plainRuns(gp, () => over, Number.POSITIVE_INFINITY)));
    await crowdRun;
    heapMb.push(heap());
  }
  return {
    calls,
    tookMs: Math.round(median(took)),
    heapMb,
    aloneP50Ms: round(median(alone)),
    besideP50Ms: round(median(beside)),
    besideMaxMs: Math.round(Math.max(...beside)),
  };
}

/** Plain runs one after the other; how long each took. */
async function plainRuns(gp: Goalpost, over: () => boolean, most: number): Promise<number[]> {
  const times: number[] = [];
  do {
    times.push(await time(() => runThreeSteps(gp, times.length)));
  } while (!over() && times.length < most);
  return times;
}

/** A server that answers as OpenAI does, at once. */
async function startProvider(): Promise<AsyncDisposable & { readonly baseUrl: string }> {
  const answer = JSON.stringify({
    id: "resp_1",
    object: "response",
    status: "completed",
    model: MODEL,
    output: [
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "An answer.", annotations: [] }],
      },
    ],
    usage: { input_tokens: 12, output_tokens: 3, total_tokens: 15 },
  });
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
