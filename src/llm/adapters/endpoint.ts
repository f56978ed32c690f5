/** How an adapter reaches its provider. */
export interface Endpoint {
  /** The provider's name in the options. */
  readonly provider: string;
  readonly apiKey: string;
  /** Always said: SDKs would look into the environment. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** In place of the global fetch. */
  readonly fetch: typeof globalThis.fetch | undefined;
}

/** The fetch of an endpoint; the global one is looked up at each call. */
export function fetchOf({ fetch }: Endpoint): typeof globalThis.fetch {
  return fetch ?? ((input, init) => globalThis.fetch(input, init));
}

/** What must not be shown: the key, and the headers that stand for one. */
export function secretsOf({ apiKey, headers }: Endpoint): readonly string[] {
  const secret = Object.entries(headers).filter(([name]) => /auth|key|token|secret|cookie/i.test(name));
  return [...(apiKey === NO_KEY ? [] : [apiKey]), ...secret.map(([, value]) => value)];
}

/** SDKs want a key even for servers that want none. */
export const NO_KEY = "unused";

/** Whether an answer is streamed. Servers that cannot stream answer in one piece; so do those that fail. */
export function isEventStream({ headers }: Response): boolean {
  const type = headers.get("content-type");
  return type === null || /event-stream/i.test(type);
}

/** An answer in one piece: its JSON, or the text if it is none. */
export async function readWhole(response: Response): Promise<unknown> {
  const body = await response.text();
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}
