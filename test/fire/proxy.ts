import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** ReadyForQuery, the end of every answer: the server has committed, or undone, what it was asked for. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5]);

export interface DroppingProxy {
  /** The server's address, by way of the proxy. */
  readonly url: string;
  /** How many answers were dropped so far. */
  readonly dropped: () => number;
  readonly close: () => Promise<void>;
}

/**
 * Stands between clients and a PostgreSQL server. Where `drops` says so, the last part of an answer does not get
 * through: the connection is cut after the server committed and before the client knows.
 */
export async function startProxy(url: string, drops: () => boolean): Promise<DroppingProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let dropped = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", cut);
      socket.on("close", () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => {
      if (chunk.subarray(-6, -1).equals(READY) && drops()) {
        dropped += 1;
        cut();
      } else {
        client.write(chunk);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    dropped: () => dropped,
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}
