// Commands on channels: SUBSCRIBE and its relatives, PUBLISH, PUBSUB.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { byteString } from "../push/pubsub.ts";
import { CHANNEL, type NameKind, PATTERN, SHARD_CHANNEL } from "../push/registry.ts";
import { Subscriber } from "../push/subscriber.ts";
import { describeClient } from "./client-list.ts";
import { argument, type Command, type CommandContext, readPattern } from "./context.ts";
import { container, define, READ, WRITE } from "./define.ts";
import { Failure, wrongNumberOfArguments } from "./failure.ts";

const SUBSCRIBING = "pubsub noscript loading stale";
const PUBLISHING = "pubsub loading stale fast";
const ASKING = "pubsub loading stale";

const SUBSCRIBERS = { ...READ, complexity: "O(N)" } as const;
const PUBLISHERS = { ...WRITE, complexity: "O(N)" } as const;

const NO_ROOM = new Failure(
  "ERR no room for the subscription: --max-subscription-bytes bounds those of all clients",
);

/** The texts of the confirmations, by the kind of name. */
const SUBSCRIBED = {
  [CHANNEL]: "subscribe",
  [PATTERN]: "psubscribe",
  [SHARD_CHANNEL]: "ssubscribe",
} as const;
const UNSUBSCRIBED = {
  [CHANNEL]: "unsubscribe",
  [PATTERN]: "punsubscribe",
  [SHARD_CHANNEL]: "sunsubscribe",
} as const;

type Run = (context: CommandContext) => void | Failure;

export const PUBSUB_COMMANDS: readonly Command[] = [
  define(
    "subscribe",
    "channel [channel ...]",
    SUBSCRIBING,
    "2.0.0",
    "Receives the messages to channels.",
    subscribeTo(CHANNEL),
    SUBSCRIBERS,
  ),
  define(
    "psubscribe",
    "pattern [pattern ...]",
    SUBSCRIBING,
    "2.0.0",
    "Receives the messages to all channels that match.",
    subscribeTo(PATTERN),
    SUBSCRIBERS,
  ),
  define(
    "ssubscribe",
    "shardchannel [shardchannel ...]",
    SUBSCRIBING,
    "7.0.0",
    "As SUBSCRIBE for shard channels, which only SPUBLISH reaches.",
    subscribeTo(SHARD_CHANNEL),
    SUBSCRIBERS,
  ),
  define(
    "unsubscribe",
    "[channel ...]",
    SUBSCRIBING,
    "2.0.0",
    "Ends these subscriptions, or those of all channels.",
    unsubscribeFrom(CHANNEL),
    SUBSCRIBERS,
  ),
  define(
    "punsubscribe",
    "[pattern ...]",
    SUBSCRIBING,
    "2.0.0",
    "Ends these subscriptions, or those of all patterns.",
    unsubscribeFrom(PATTERN),
    SUBSCRIBERS,
  ),
  define(
    "sunsubscribe",
    "[shardchannel ...]",
    SUBSCRIBING,
    "7.0.0",
    "Ends these subscriptions, or those of all shard channels.",
    unsubscribeFrom(SHARD_CHANNEL),
    SUBSCRIBERS,
  ),
  define(
    "publish",
    "channel message",
    PUBLISHING,
    "2.0.0",
    "Sends a message to the subscribers of all workers, and counts them.",
    publishTo(CHANNEL),
    PUBLISHERS,
  ),
  define(
    "spublish",
    "shardchannel message",
    PUBLISHING,
    "7.0.0",
    "As PUBLISH for a shard channel.",
    publishTo(SHARD_CHANNEL),
    PUBLISHERS,
  ),
  container("pubsub", "2.8.0", "On subscriptions.", [
    define(
      "pubsub channels",
      "[pattern]",
      ASKING,
      "2.8.0",
      "Channels with subscribers.",
      channelsOf(CHANNEL),
      SUBSCRIBERS,
    ),
    define(
      "pubsub numsub",
      "[channel ...]",
      ASKING,
      "2.8.0",
      "Numbers of subscribers of channels.",
      countsOf(CHANNEL),
      SUBSCRIBERS,
    ),
    define(
      "pubsub numpat",
      "",
      ASKING,
      "2.8.0",
      "Number of patterns with subscribers.",
      ({ reply, push }) => reply.integer(push.registry.allNames(PATTERN).size),
      SUBSCRIBERS,
    ),
    define(
      "pubsub shardchannels",
      "[pattern]",
      ASKING,
      "7.0.0",
      "Shard channels with subscribers.",
      channelsOf(SHARD_CHANNEL),
      SUBSCRIBERS,
    ),
    define(
      "pubsub shardnumsub",
      "[shardchannel ...]",
      ASKING,
      "7.0.0",
      "Numbers of subscribers of shard channels.",
      countsOf(SHARD_CHANNEL),
      SUBSCRIBERS,
    ),
  ]),
];

/** Subscribes to all names of the command, or to none if one of them is not allowed or lacks room. */
function subscribeTo(kind: NameKind): Run {
  return (context) => {
    const { session, push, reply, name: command } = context;
    if (!push.canReceive(session)) {
      return new Failure(
        `ERR ${command.toUpperCase()} needs a connection of the Redis protocol, which can receive messages`,
      );
    }
    for (let index = 1; index < context.count; index++) {
      const failure = checkName(context, kind, argument(context, index));
      if (failure !== undefined) return failure;
    }
    const mark = reply.out.end;
    const added: string[] = [];
    for (let index = 1; index < context.count; index++) {
      const name = argument(context, index);
      const text = byteString(name);
      const isNew = !session.subscriber?.names[kind].has(text);
      if (!push.pubsub.subscribe(session, kind, name)) {
        for (const text of added) push.pubsub.unsubscribe(session, kind, text);
        reply.out.end = mark;
        return NO_ROOM;
      }
      if (isNew) added.push(text);
      confirm(context, SUBSCRIBED[kind], name, kind);
    }
    describeClient(context);
    return undefined;
  };
}

function unsubscribeFrom(kind: NameKind): Run {
  return (context) => {
    const { session, push } = context;
    const all = context.count === 1 ? [...(session.subscriber?.names[kind] ?? [])] : [];
    for (const text of all) {
      push.pubsub.unsubscribe(session, kind, text);
      confirm(context, UNSUBSCRIBED[kind], bytesOf(text), kind);
    }
    for (let index = 1; index < context.count; index++) {
      const name = argument(context, index);
      push.pubsub.unsubscribe(session, kind, byteString(name));
      confirm(context, UNSUBSCRIBED[kind], name, kind);
    }
    if (context.count === 1 && all.length === 0) {
      confirm(context, UNSUBSCRIBED[kind], undefined, kind);
    }
    describeClient(context);
  };
}

/** Writes the frame that confirms a change of subscriptions, with their number after it. */
function confirm(
  { reply, session }: CommandContext,
  type: string,
  name: Bytes | undefined,
  kind: NameKind,
): void {
  const { channels, shardChannels } = session.subscriber ?? new Subscriber();
  reply.push(3);
  reply.text(type);
  if (name === undefined) reply.nil();
  else reply.bulk(name);
  reply.integer(kind === SHARD_CHANNEL ? shardChannels : channels);
}

function checkName(context: CommandContext, kind: NameKind, name: Bytes): Failure | undefined {
  const { maxNameBytes } = context.push.registry;
  const bytes = name.end - name.start;
  if (bytes > maxNameBytes)
    return new Failure(`ERR the channel has ${bytes} bytes: at most ${maxNameBytes}`);
  const pattern = kind === PATTERN ? readPattern(name) : undefined;
  return pattern instanceof Failure ? pattern : undefined;
}

function publishTo(kind: typeof CHANNEL | typeof SHARD_CHANNEL): Run {
  return (context) => {
    const { push, reply, cache } = context;
    const channel = argument(context, 1);
    const message = argument(context, 2);
    const bytes = channel.end - channel.start + message.end - message.start;
    const { maxBytes } = push.pubsub;
    if (bytes > maxBytes) {
      return new Failure(
        `ERR the message has ${bytes} bytes with its channel: at most ${maxBytes}, by --max-subscription-bytes`,
      );
    }
    // Inside a step nothing can wait: a worker that is too slow closes its subscribers.
    if (cache.isInStep || push.pubsub.hasRoom(bytes)) {
      reply.integer(push.pubsub.publish(kind, channel, message));
    } else publishLater(context, kind, channel, message);
    return undefined;
  };
}

/** Publishes a message once the workers have read enough older messages. */
function publishLater(
  context: CommandContext,
  kind: typeof CHANNEL | typeof SHARD_CHANNEL,
  channel: Bytes,
  message: Bytes,
): void {
  const { reply, push, session } = context;
  const kept = reply.aside();
  const channelBytes = channel.end - channel.start;
  const bytes = channelBytes + message.end - message.start;
  kept.claimKept(bytes);
  const copy = new ByteBuffer(bytes);
  copy.appendRun(channel.bytes, channel.start, channel.end);
  copy.appendRun(message.bytes, message.start, message.end);
  const publish = () => {
    kept.release();
    const first = { bytes: copy.bytes, start: 0, end: channelBytes };
    const second = { bytes: copy.bytes, start: channelBytes, end: bytes };
    reply.integer(session.isClosing ? 0 : push.pubsub.publish(kind, first, second));
  };
  const room = push.roomFor(bytes, () => session.isClosing);
  context.pending = room.then(() => publish);
}

function channelsOf(kind: NameKind): Run {
  return (context) => {
    const { reply, push } = context;
    if (context.count > 3) return wrongNumberOfArguments(context.name);
    const pattern = context.count > 2 ? readPattern(argument(context, 2)) : undefined;
    if (pattern instanceof Failure) return pattern;
    const names = [...push.registry.allNames(kind)].map(bytesOf);
    const shown = names.filter((name) => pattern?.matches(name) ?? true);
    reply.array(shown.length);
    for (const name of shown) reply.bulk(name);
    return undefined;
  };
}

function countsOf(kind: NameKind): Run {
  return (context) => {
    const { reply, push, count } = context;
    reply.array((count - 2) * 2);
    for (let index = 2; index < count; index++) {
      const name = argument(context, index);
      reply.bulk(name);
      reply.integer(push.registry.countAll(kind, name));
    }
  };
}

function bytesOf(text: string): Bytes {
  const bytes = Buffer.from(text, "latin1");
  return { bytes, start: 0, end: bytes.length };
}
