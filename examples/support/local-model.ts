import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What the last message of the conversation says, as the model sees it. */
export type Answer = (lastMessage: string) => unknown;

/**
 * A model that is a local server: it speaks the wire format of OpenAI's Chat Completions, so that the real SDK is used
 * and nothing is billed.
 */
export async function serveModel(answer: Answer): Promise<{ baseUrl: string; close: () => void }> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) {
      parts.push(part as Buffer);
    }
    const body = JSON.parse(Buffer.concat(parts).toString()) as {
      readonly model: string;
      readonly stream?: boolean;
      readonly messages: readonly { readonly content: string }[];
    };
    const said = answer(body.messages.at(-1)?.content ?? "");
    const content = typeof said === "string" ? said : JSON.stringify(said);
    const usage = { prompt_tokens: 400, completion_tokens: Math.ceil(content.length / 4) };
    const about = { id: "chatcmpl-1", model: body.model, created: 0 };
    if (body.stream) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = (chunk: object): unknown =>
        response.write(
          `data: ${JSON.stringify({ ...about, object: "chat.completion.chunk", ...chunk })}\n\n`,
        );
      for (const text of content.match(/[\s\S]{1,20}/g) ?? []) {
        send({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
      }
      send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
      send({ choices: [], usage });
      response.end("data: [DONE]\n\n");
      return;
    }
    const message = { role: "assistant", content };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        ...about,
        object: "chat.completion",
        choices: [{ index: 0, message, finish_reason: "stop" }],
        usage,
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/v1`, close: () => server.close() };
}
