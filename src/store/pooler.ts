import type { PoolClientLike, PoolLike } from "./pool-like.ts";

/** Each look that finds nothing could have been unlucky: other clients of the pooler take its connections, too. */
const LOOKS = 20;

/**
 * Whether a pooler stands before the database that gives a connection's statements to changing sessions: then nothing
 * that belongs to a session lasts (LISTEN, session locks, named statements). Takes two connections for a moment, unless
 * the server's process is the one that the connection was made with: then there is nothing in between.
 */
export async function isTransactionPooled(pool: PoolLike): Promise<boolean> {
  const client = await pool.connect();
  let broken = false;
  const onError = (): void => {
    broken = true;
  };
  client.on("error", onError);
  try {
    const first = await backendOf(client);
    return client.processID !== first && (await changesSessions(client, pool, first));
  } finally {
    client.removeListener?.("error", onError);
    client.release(broken);
  }
}

/** Others in a transaction keep their session to themselves: if that was this client's, or this client moves, there is a pooler. */
async function changesSessions(client: PoolClientLike, pool: PoolLike, first: number): Promise<boolean> {
  const other = await pool.connect();
  let broken = true;
  const onError = (): void => undefined;
  other.on("error", onError);
  try {
    for (let look = 0; look < LOOKS; look++) {
      await other.query("begin");
      const taken = await backendOf(other);
      const during = await backendOf(client);
      await other.query("rollback");
      // A pooler hands out first what came back last: now the other's, if each had one of its own until here.
      const after = await backendOf(client);
      if (taken === first || during !== first || after !== first) {
        broken = false;
        return true;
      }
    }
    broken = false;
    return false;
  } finally {
    other.removeListener?.("error", onError);
    other.release(broken);
  }
}

async function backendOf(client: PoolClientLike): Promise<number> {
  const { rows } = await client.query("select pg_backend_pid() as pid");
  return (rows[0] as { pid: number }).pid;
}
