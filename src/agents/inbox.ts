import type { AgentMessage, AgentSummary } from "../core/agent.ts";
import type { Queryable } from "../core/driver.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import { GoalpostError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { check, checkOneOf } from "../core/policy.ts";

/** queued: it waits for its turn, or for its next try. dead: given up, a dead letter. */
export type InboxStatus = "queued" | "handling" | "handled" | "dead";

const STATUSES: readonly InboxStatus[] = ["queued", "handling", "handled", "dead"];

/** Which part of an inbox is wanted. */
export interface InboxOptions {
  /** Default: all. */
  readonly status?: InboxStatus | undefined;
  /** How many at most, from 1 to 1000. Default 100. */
  readonly limit?: number | undefined;
  /** The `seq` of the last message that is not wanted: the next ones are returned. Default: from the oldest on. */
  readonly after?: number | undefined;
}

/** A message in an inbox. */
export interface InboxMessage extends AgentMessage {
  /** Its place among the messages to this agent, rising; good as `after`. */
  readonly seq: number;
  readonly status: InboxStatus;
  /** Tries that failed. */
  readonly failures: number;
  /** Null until there is one. */
  readonly reply: Json;
  /** What the last try failed with; null if none did. */
  readonly error: ErrorRecord | null;
}

type InboxRow = {
  seq: number;
  id: string;
  sender: string | null;
  type: string;
  conversation: string | null;
  payload: string;
  wants_reply: boolean;
  reply: string | null;
  failures: number;
  error: string | null;
  at: Date;
  status: InboxStatus;
};

const INBOX = `select ordinal::float8 as seq, id, sender, type, conversation, payload::text, wants_reply, reply::text,
    failures, error::text, at, status
  from goalpost.read_inbox($1, $2, $3::bigint, $4::int)`;

/** @throws INVALID_INPUT */
export async function readInbox(
  db: Queryable,
  agent: string,
  options: InboxOptions,
): Promise<InboxMessage[]> {
  const { status, limit = 100, after = 0 } = options;
  checkOneOf(status, { what: "status", allowed: STATUSES });
  check(limit, { what: "limit", least: 1, most: 1000, whole: true });
  check(after, { what: "after", least: 0, whole: true });
  const rows = await db.query<InboxRow>(INBOX, [agent, status ?? null, after, limit]);
  return rows.map((row) => ({
    seq: row.seq,
    id: row.id,
    from: row.sender,
    to: agent,
    type: row.type,
    payload: JSON.parse(row.payload) as Json,
    conversationId: row.conversation,
    at: row.at,
    wantsReply: row.wants_reply,
    status: row.status,
    failures: row.failures,
    reply: row.reply === null ? null : (JSON.parse(row.reply) as Json),
    error: row.error === null ? null : (JSON.parse(row.error) as ErrorRecord),
  }));
}

type AgentRow = {
  name: string;
  description: string;
  capabilities: string[];
  backlog: number;
  dead: number;
  hosts: string | null;
};

const LIST = `select a.name, a.description, a.capabilities,
    (select coalesce(sum(s.last_seq - s.done_seq), 0)::float8 from goalpost.agent_streams s where s.agent = a.name) as backlog,
    (select count(*)::float8 from goalpost.agent_messages m where m.agent = a.name and m.dead_at is not null) as dead,
    (select json_agg(json_build_array(i.name, h.worker, h.concurrency, (extract(epoch from h.since) * 1000)::float8)
        order by h.since, h.worker)::text
      from goalpost.agent_hosts h join goalpost.instances i on i.worker = h.worker and i.status = 'online'
      where h.agent = a.name) as hosts
  from goalpost.agents a order by a.name`;

/** The agents that there are, by name. */
export async function listAgents(db: Queryable): Promise<AgentSummary[]> {
  const rows = await db.query<AgentRow>(LIST);
  return rows.map(({ name, description, capabilities, backlog, dead, hosts }) => ({
    name,
    description,
    capabilities,
    backlog,
    deadLetters: dead,
    instances: (JSON.parse(hosts ?? "[]") as [string, string, number, number][]).map(
      ([id, workerId, concurrency, sinceMs]) => ({ id, workerId, concurrency, since: new Date(sinceMs) }),
    ),
  }));
}

const DESCRIBE = "select name, description from goalpost.agents order by name";

/** What decomposers are told of agents. */
export async function describeAgents(db: Queryable): Promise<Pick<AgentSummary, "name" | "description">[]> {
  return db.query<{ name: string; description: string }>(DESCRIBE);
}

const NAMES = `select name from goalpost.agents
  where $1::text is null or $1 = any(capabilities) order by name`;

/** The names of the agents that have a capability; of all, if that is null. */
export async function agentNames(db: Queryable, capability: string | null): Promise<string[]> {
  const rows = await db.query<{ name: string }>(NAMES, [capability]);
  return rows.map(({ name }) => name);
}

const RETRY = "select goalpost.retry_mail($1, $2::timestamptz) as found";

/** @throws INVALID_STATE if it is no dead letter */
export async function retryDeadLetter(db: Queryable, id: string, now: Date | null): Promise<void> {
  const [row] = await db.query<{ found: boolean }>(RETRY, [id, now]);
  if (!row?.found) {
    throw new GoalpostError(
      "INVALID_STATE",
      `message ${JSON.stringify(id)} is no dead letter; gp.agents.deadLetters(name) lists those of an agent`,
    );
  }
}

const REGISTER = "select goalpost.register_agent($1::uuid, $2, $3, $4::text[], $5::int, $6::timestamptz)";

/** An agent whose messages a worker handles. */
export interface HostedAgent {
  readonly worker: string;
  readonly name: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly concurrency: number;
}

export async function registerAgent(db: Queryable, agent: HostedAgent, now: Date | null): Promise<void> {
  const { worker, name, description, capabilities, concurrency } = agent;
  await db.query(REGISTER, [worker, name, description, capabilities, concurrency, now]);
}

const UNREGISTER = "delete from goalpost.agent_hosts where worker = $1::uuid and agent = $2";

/** The worker handles its messages no more; the agent stays, and so does its inbox. */
export async function unregisterAgent(db: Queryable, worker: string, name: string): Promise<void> {
  await db.query(UNREGISTER, [worker, name]);
}
