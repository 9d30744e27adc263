// CLIENT INFO, CLIENT LIST and CLIENT KILL, on the clients of all workers.

import { argument, type CommandContext } from "./context.ts";
import { type Client, NO_ROW, NO_SUBSCRIPTIONS } from "../clients.ts";
import type { Subscriber } from "../push/subscriber.ts";
import { CHANNEL, PATTERN, SHARD_CHANNEL } from "../push/registry.ts";
import { Failure, SYNTAX_ERROR } from "./failure.ts";
import { grammar, option, repeatable } from "./grammar.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { inSlices } from "./slices.ts";

/** One client takes about 5 µs. */
const CLIENTS_PER_STEP = 100;
const INVALID_ID = new Failure("ERR Invalid client ID");
const NO_SUCH_CLIENT = new Failure("ERR No such client");

export function info(context: CommandContext): void {
  const { reply, session, clients, nowMs } = context;
  const self = clients.at(session.row, nowMs);
  reply.verbatim(self === undefined ? "" : lineWriter(context)(self));
}

export function list(context: CommandContext): void | Failure {
  const { reply } = context;
  const filter = readListFilter(context);
  if (filter instanceof Failure) return filter;
  const { ids, type } = filter;
  const lines: string[] = [];
  const lineOfClient = lineWriter(context);
  const visit = (client: Client): void => {
    if (type === undefined || type === typeOf(client)) lines.push(lineOfClient(client));
  };
  return visitClients(context, ids, visit, () => reply.verbatim(lines.join("")));
}

interface ListFilter {
  readonly ids?: readonly number[];
  readonly type?: string;
}

/** Returns which clients to list. ID takes all further arguments. */
function readListFilter(context: CommandContext): ListFilter | Failure {
  const { count } = context;
  if (count === 2) return {};
  const word = argument(context, 2).toWord();
  if (word === "id" && count > 3) {
    const ids = readIds(context, 3);
    return ids instanceof Failure ? ids : { ids };
  }
  if (word !== "type" || count !== 4) return SYNTAX_ERROR;
  const type = readType(argument(context, 3));
  return type instanceof Failure ? type : { type };
}

/** Returns each id once, in order. */
function readIds(context: CommandContext, from: number): readonly number[] | Failure {
  const ids = new Set<number>();
  for (let index = from; index < context.count; index++) {
    const id = readNumber(argument(context, index));
    if (id === undefined || id < 1) return INVALID_ID;
    ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}

/** Calls `visit` for the clients with these ids, or for all, in slices; then calls `write`. */
function visitClients(
  context: CommandContext,
  ids: readonly number[] | undefined,
  visit: (client: Client) => void,
  write: () => void | Failure,
): void | Failure {
  const { clients, nowMs } = context;
  const rows = ids?.map((id) => clients.rowOf(id)) ?? clients.rows();
  let next = 0;
  const step = (): boolean => {
    for (const end = Math.min(rows.length, next + CLIENTS_PER_STEP); next < end; next++) {
      const client = clients.at(rows[next] ?? NO_ROW, nowMs);
      if (client !== undefined) visit(client);
    }
    return next === rows.length;
  };
  return inSlices(context, step, write);
}

/** Updates the flags and the subscriptions of the client in the list. */
export function describeClient({ session, clients }: CommandContext): void {
  const { names } = session.subscriber ?? {};
  session.flags = flagsOf(session.subscriber);
  session.redirect = session.subscriber?.tracking?.mode.redirect ?? -1;
  session.subscriptions =
    names === undefined
      ? NO_SUBSCRIPTIONS
      : `sub=${names[CHANNEL].size} psub=${names[PATTERN].size} ssub=${names[SHARD_CHANNEL].size}`;
  clients.describe(session.row, session);
}

/** The letters that Redis has for the state of a client. */
function flagsOf(subscriber: Subscriber | undefined): string {
  const { tracking } = subscriber ?? {};
  const flags = [
    subscriber?.isMonitor ? "O" : "",
    subscriber?.isSubscribed ? "P" : "",
    tracking === undefined ? "" : "t",
    tracking?.isBroken ? "R" : "",
    tracking?.mode.isBroadcast ? "B" : "",
  ].join("");
  return flags === "" ? "N" : flags;
}

/** The type of a client, as Redis names it. */
function typeOf({ flags }: Client): string {
  return flags.includes("P") ? "pubsub" : "normal";
}

/** Returns the type in lower case. There are no replicas. */
function readType(type: Argument): string | Failure {
  const isType = ["normal", "master", "replica", "slave", "pubsub"].includes(type.toWord());
  return isType ? type.toWord() : new Failure(`ERR Unknown client type '${type.toShown()}'`);
}

/** The command of a client, and its bytes. */
interface RunningCommand {
  readonly name: string;
  /** Bytes of the command as an array of bulk strings, and of its arguments. */
  readonly queryBytes: number;
  readonly argumentBytes: number;
}

/**
 * Returns a function that writes the line of a client. The last command of the own client is the one that runs.
 * The bytes of the commands of other clients are not kept: they are 0.
 */
function lineWriter(context: CommandContext): (client: Client) => string {
  const { counters, session } = context;
  const ownId = session.id;
  const own = runningCommand(context);
  return (client) => {
    if (client.id === ownId) return lineOf(client, own);
    const name = counters.names[client.lastCommand] ?? "NULL";
    return lineOf(client, { name, queryBytes: 0, argumentBytes: 0 });
  };
}

function runningCommand(context: CommandContext): RunningCommand {
  const { name, count } = context;
  let argumentBytes = 0;
  let queryBytes = `*${count}\r\n`.length;
  for (let index = 0; index < count; index++) {
    const { start, end } = argument(context, index);
    argumentBytes += end - start;
    queryBytes += `$${end - start}\r\n\r\n`.length + end - start;
  }
  return { name, queryBytes, argumentBytes };
}

/** Sizes of replies, which are not kept for each client. Clients of Redis expect the fields. */
const REPLY_SIZES = "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r";

function lineOf(client: Client, command: RunningCommand): string {
  const { id, address, localAddress, name, ageSeconds, idleSeconds, flags } = client;
  const sizes = `qbuf=${command.queryBytes} qbuf-free=0 argv-mem=${command.argumentBytes} ${REPLY_SIZES}`;
  return (
    `id=${id} addr=${address} laddr=${localAddress} fd=-1 name=${name} age=${ageSeconds} ` +
    `idle=${idleSeconds} flags=${flags} db=${client.database} ${client.subscriptions} multi=-1 ${sizes} cmd=${command.name} ` +
    `user=default redir=${client.redirect} resp=${client.version} lib-name=${client.libName} lib-ver=${client.libVersion}\n`
  );
}

/** CLIENT KILL address, the old form, or CLIENT KILL with filters. */
export function kill(context: CommandContext): void | Failure {
  const { reply, session } = context;
  const isOldForm = context.count === 3;
  const filter = isOldForm ? addressFilter(argument(context, 2)) : readKillFilter(context);
  if (filter instanceof Failure) return filter;
  let killed = 0;
  const visit = (client: Client): void => {
    if (!filter.passes(client)) return;
    killed++;
    if (client.id === session.id) session.isClosing = true;
    else context.clients.kill(client);
  };
  const ids = filter.id === undefined ? undefined : [filter.id];
  return visitClients(context, ids, visit, () => {
    if (!isOldForm) return reply.integer(killed);
    return killed > 0 ? reply.ok() : NO_SUCH_CLIENT;
  });
}

interface KillFilter {
  readonly passes: (client: Client) => boolean;
  /** The only client that can pass. */
  readonly id?: number | undefined;
}

function addressFilter(text: Argument): KillFilter {
  const killed = text.toText();
  return { passes: ({ address }) => address === killed };
}

/** Filters of CLIENT KILL; of each kind the last one counts. */
const KILL_FILTERS = grammar({
  id: repeatable(
    option("id", (text) => {
      const id = readNumber(text);
      const isId = id !== undefined && id >= 1;
      return isId ? id : new Failure("ERR client-id should be greater than 0");
    }),
  ),
  minAgeSeconds: repeatable(
    option(
      "maxage",
      (text) => readNumber(text) ?? new Failure("ERR maxage is not an integer or out of range"),
    ),
  ),
  address: repeatable(option("addr", (text) => text.toText())),
  localAddress: repeatable(option("laddr", (text) => text.toText())),
  type: repeatable(option("type", readType)),
  // There is one user, so the filter passes all clients.
  user: repeatable(
    option("user", (text) => {
      const user = text.toText();
      return user === "default" ? user : new Failure(`ERR No such user '${text.toShown()}'`);
    }),
  ),
  skipMe: repeatable(
    option("skipme", (text) => {
      const word = text.toWord();
      return word === "yes" || word === "no" ? word : SYNTAX_ERROR;
    }),
  ),
});

function readKillFilter(context: CommandContext): KillFilter | Failure {
  const filters = KILL_FILTERS.parse(context, 2);
  if (filters instanceof Failure) return filters;
  const { id, minAgeSeconds = -Infinity, address, localAddress, type, skipMe = "yes" } = filters;
  const ownId = context.session.id;
  const passes = (client: Client): boolean =>
    client.id === (id ?? client.id) &&
    client.ageSeconds >= minAgeSeconds &&
    client.address === (address ?? client.address) &&
    client.localAddress === (localAddress ?? client.localAddress) &&
    (type === undefined || type === typeOf(client)) &&
    (skipMe === "no" || client.id !== ownId);
  return { passes, id };
}
