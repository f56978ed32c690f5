import type { Json } from "../core/json.ts";

/** A message as a handler or {@link Channels.history} gives it. */
export interface Message<Payload = Json> {
  /** What `send` or `notify` returned to the sender. */
  readonly id: string;
  readonly channel: string;
  /**
   * Its place in the channel, from 1, without gaps; of a message that is not stored, the place of the last stored one
   * before it. Good as `after` in either case.
   */
  readonly seq: number;
  readonly payload: Payload;
  readonly at: Date;
  /** False for what was sent by `notify`. */
  readonly stored: boolean;
}

/** Called for each message, one call at a time; the next message waits for the promise that it returns. */
export type MessageHandler<Payload = Json> = (message: Message<Payload>) => unknown;

/** A message on its way to handlers: each is given a payload of its own. */
export interface RawMessage extends Omit<Message, "payload"> {
  /** JSON text. */
  readonly payload: string;
}

/** The message that a handler is given. */
export function toMessage({ payload, ...rest }: RawMessage): Message {
  return { ...rest, payload: JSON.parse(payload) as Json };
}
