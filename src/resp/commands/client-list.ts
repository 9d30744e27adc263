// CLIENT INFO, CLIENT LIST and CLIENT KILL, on the clients of all workers.

import { argument, type CommandContext, SYNTAX_ERROR } from "./context.ts";
import { type Client, NO_ROW } from "../clients.ts";
import { readNumber } from "../protocol/numbers.ts";
import { inSlices } from "./slices.ts";

/** Each takes some 5 µs. */
const CLIENTS_A_STEP = 100;

export function info(context: CommandContext): void {
  const { reply, session, clients, nowMs } = context;
  const self = clients.at(session.row, nowMs);
  reply.verbatim(self === undefined ? "" : lineOf(context, self));
}

export function list(context: CommandContext): void {
  const { reply } = context;
  const option = context.count > 2 ? argument(context, 2).toWord() : "";
  let ids: readonly number[] | undefined;
  if (option === "id" && context.count > 3) {
    const wanted = new Set<number>();
    for (let place = 3; place < context.count; place++) {
      const id = readNumber(argument(context, place));
      if (id === undefined || id < 1) {
        reply.error("ERR Invalid client ID");
        return;
      }
      wanted.add(id);
    }
    ids = [...wanted].sort((a, b) => a - b);
  } else if (option === "type" && context.count === 4) {
    const type = argument(context, 3).toWord();
    if (!isType(type)) {
      reply.error(`ERR Unknown client type '${argument(context, 3).toText()}'`);
      return;
    }
    if (type !== "normal") ids = [];
  } else if (context.count > 2) {
    reply.error(SYNTAX_ERROR);
    return;
  }
  const lines: string[] = [];
  const visit = (client: Client): void => void lines.push(lineOf(context, client));
  visitClients(context, ids, visit, () => reply.verbatim(lines.join("")));
}

/** Shows the clients with these numbers, or all, in slices; then calls `write`. */
function visitClients(
  context: CommandContext,
  wanted: readonly number[] | undefined,
  visit: (client: Client) => void,
  write: () => void,
): void {
  const { clients, nowMs } = context;
  const rows = wanted?.map((id) => clients.rowOf(id)) ?? clients.rows();
  let next = 0;
  const step = (): boolean => {
    for (const end = Math.min(rows.length, next + CLIENTS_A_STEP); next < end; next++) {
      const client = clients.at(rows[next] ?? NO_ROW, nowMs);
      if (client !== undefined) visit(client);
    }
    return next === rows.length;
  };
  inSlices(context, step, write);
}

/** All clients are "normal": there are no replicas and no subscribers. */
function isType(type: string): boolean {
  return ["normal", "master", "replica", "slave", "pubsub"].includes(type);
}

function lineOf({ counters }: CommandContext, client: Client): string {
  const { id, address, localAddress, name, ageSeconds, idleSeconds, flags } = client;
  const command = counters.names[client.lastCommand] ?? "NULL";
  return (
    `id=${id} addr=${address} laddr=${localAddress} fd=-1 name=${name} age=${ageSeconds} ` +
    `idle=${idleSeconds} flags=${flags} db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=${command} ` +
    `user=default redir=-1 resp=${client.version} lib-name=${client.libName} lib-ver=${client.libVersion}\n`
  );
}

export function kill(context: CommandContext): void {
  const { reply, session } = context;
  const isOldForm = context.count === 3;
  const filter: KillFilter | undefined = isOldForm
    ? { passes: addressIs(argument(context, 2).toText()), id: undefined }
    : readKillFilter(context);
  if (filter === undefined) return;
  let killed = 0;
  const visit = (client: Client): void => {
    if (!filter.passes(client)) return;
    killed++;
    if (client.id === session.id) session.isClosing = true;
    else context.clients.kill(client);
  };
  visitClients(context, filter.id === undefined ? undefined : [filter.id], visit, () => {
    if (!isOldForm) reply.integer(killed);
    else if (killed > 0) reply.ok();
    else reply.error("ERR No such client");
  });
}

interface KillFilter {
  readonly passes: (client: Client) => boolean;
  /** Only this client, if it passes. */
  readonly id: number | undefined;
}

function addressIs(wanted: string): (client: Client) => boolean {
  return ({ address }) => address === wanted;
}

/** Undefined after an error has been answered. */
function readKillFilter(context: CommandContext): KillFilter | undefined {
  const fail = (error: string): undefined => {
    context.reply.error(error);
    return undefined;
  };
  // Of each kind the last one counts.
  const filters = new Map<string, (client: Client) => boolean>();
  let skipsMe = true;
  let onlyId: number | undefined;
  for (let place = 2; place < context.count; place += 2) {
    if (place + 1 >= context.count) return fail(SYNTAX_ERROR);
    const value = argument(context, place + 1).toText();
    switch (argument(context, place).toWord()) {
      case "id": {
        const wanted = readNumber(argument(context, place + 1));
        if (wanted === undefined || wanted < 1)
          return fail("ERR client-id should be greater than 0");
        filters.set("id", ({ id }) => id === wanted);
        onlyId = wanted;
        break;
      }
      case "maxage": {
        const seconds = readNumber(argument(context, place + 1));
        if (seconds === undefined) return fail("ERR maxage is not an integer or out of range");
        filters.set("maxage", ({ ageSeconds }) => ageSeconds >= seconds);
        break;
      }
      case "addr":
        filters.set("addr", addressIs(value));
        break;
      case "laddr":
        filters.set("laddr", ({ localAddress }) => localAddress === value);
        break;
      case "type":
        if (!isType(value.toLowerCase())) return fail(`ERR Unknown client type '${value}'`);
        filters.set("type", () => value.toLowerCase() === "normal");
        break;
      case "user":
        if (value !== "default") return fail(`ERR No such user '${value}'`);
        break;
      case "skipme":
        if (!/^(yes|no)$/i.test(value)) return fail(SYNTAX_ERROR);
        skipsMe = value.toLowerCase() === "yes";
        break;
      default:
        return fail(SYNTAX_ERROR);
    }
  }
  if (skipsMe) filters.set("skipme", ({ id }) => id !== context.session.id);
  const all = [...filters.values()];
  return { passes: (client) => all.every((filter) => filter(client)), id: onlyId };
}
