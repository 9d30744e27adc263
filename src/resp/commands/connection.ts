// Commands on the connection itself, and on those of others.

import type { Access } from "../../security/tokens.ts";
import {
  argument,
  type CommandContext,
  type Command,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
} from "./context.ts";
import { info, kill, list } from "./client-list.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";

/** What clients take for the version of the server: that of the redis whose answers these are. */
export const REDIS_VERSION = "7.0.15";
const BAD_NAME = "cannot contain spaces, newlines or special characters.";
const HELLO_WITHOUT_TOKEN =
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";

type Row = readonly [
  access: Access,
  name: string,
  arity: number,
  syntax: string,
  summary: string,
  run: (context: CommandContext) => void,
];

const commandsOf = (since: string, rows: readonly Row[]): Command[] =>
  rows.map(([access, name, arity, syntax, summary, run]) => ({
    name,
    arity,
    access,
    // PING tells whether the service serves.
    flags:
      name === "ping"
        ? ["fast"]
        : access === "open"
          ? ["noscript", "loading", "stale", "no_auth"]
          : ["noscript", "loading", "stale"],
    syntax,
    summary,
    since,
    run,
  }));

export const CONNECTION_COMMANDS: readonly Command[] = [
  ...commandsOf("1.0.0", [
    ["read", "ping", -1, "[message]", "PONG, or the message.", ping],
    [
      "read",
      "echo",
      2,
      "message",
      "The message.",
      (context) => context.reply.bulk(argument(context, 1)),
    ],
    ["open", "quit", -1, "", "OK, and the connection closes.", quit],
    ["open", "reset", 1, "", "Makes the connection as good as new.", reset],
    ["read", "select", 2, "index", "There is one database, 0.", select],
    ["open", "auth", -2, "[username] password", "Shows a token; the username is default.", auth],
    [
      "open",
      "hello",
      -1,
      "[protover [AUTH username password] [SETNAME clientname]]",
      "Chooses version 2 or 3 of the protocol and says what this is.",
      hello,
    ],
  ]),
  {
    name: "client",
    arity: -2,
    flags: [],
    syntax: "subcommand",
    summary: "On connections.",
    since: "2.4.0",
    subcommands: commandsOf("2.4.0", [
      [
        "read",
        "id",
        2,
        "",
        "Number of this connection.",
        ({ reply, session }) => reply.integer(session.id),
      ],
      ["read", "getname", 2, "", "Its name.", getName],
      ["read", "setname", 3, "connection-name", "Gives it a name.", setName],
      [
        "read",
        "setinfo",
        4,
        "LIB-NAME libname | LIB-VER libver",
        "Says which library it uses.",
        setInfo,
      ],
      ["read", "info", 2, "", "Its line of CLIENT LIST.", info],
      ["read", "list", -2, "[TYPE type] [ID id ...]", "The connections of all workers.", list],
      [
        "write",
        "kill",
        -3,
        "address | [ID id] [ADDR address] [LADDR address] [TYPE type] [USER user] [SKIPME YES | NO] [MAXAGE seconds]",
        "Closes connections; one of another worker within a tenth of a second.",
        kill,
      ],
      ["read", "no-evict", 3, "ON | OFF", "Accepted: connections are not evicted.", onOrOff],
      ["read", "no-touch", 3, "ON | OFF", "Accepted, without effect.", onOrOff],
      ["read", "reply", 3, "ON | OFF | SKIP", "Whether this connection is answered.", replies],
    ]),
  },
];

function ping(context: CommandContext): void {
  const { reply } = context;
  if (context.count === 1) reply.simple("PONG");
  else if (context.count === 2) reply.bulk(argument(context, 1));
  else reply.error("ERR wrong number of arguments for 'ping' command");
}

function quit({ reply, session }: CommandContext): void {
  reply.ok();
  session.isClosing = true;
}

function reset({ reply, session, clients, service }: CommandContext): void {
  session.access = service.tokens.withoutToken;
  session.version = reply.version = 2;
  session.name = "";
  session.replies = "on";
  clients.describe(session.row, session);
  reply.simple("RESET");
}

function select(context: CommandContext): void {
  const index = readNumber(argument(context, 1));
  if (index === 0) context.reply.ok();
  else context.reply.error(index === undefined ? NOT_AN_INTEGER : "ERR DB index is out of range");
}

function auth(context: CommandContext): void {
  const { reply, session, service } = context;
  if (context.count > 3) reply.error(SYNTAX_ERROR);
  else if (context.count === 2 && !service.tokens.areNeeded) {
    reply.error(
      "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
  } else {
    const username = context.count === 3 ? argument(context, 1).toText() : "default";
    const access = accessOf(context, username, argument(context, context.count - 1));
    if (access === undefined) reply.error(WRONG_PASSWORD);
    else {
      session.access = access;
      reply.ok();
    }
  }
}

/** What these give a client; undefined if they are wrong. Without tokens any password will do, as with redis. */
function accessOf(
  { service }: CommandContext,
  username: string,
  password: Argument,
): Access | undefined {
  const { tokens, rejections } = service;
  if (username === "default") {
    const access = tokens.areNeeded ? tokens.accessOf(password.toText()) : "write";
    if (access !== undefined) return access;
  }
  rejections.add("resp", "wrong_token");
  return undefined;
}

function hello(context: CommandContext): void {
  const { reply, session, clients } = context;
  const version = context.count > 1 ? readNumber(argument(context, 1)) : session.version;
  if (version === undefined) {
    reply.error("ERR Protocol version is not an integer or out of range");
    return;
  }
  if (version !== 2 && version !== 3) {
    reply.error("NOPROTO unsupported protocol version");
    return;
  }
  let { name, access } = session;
  for (let place = 2; place < context.count; place++) {
    const word = argument(context, place).toWord();
    if (word === "auth" && place + 2 < context.count) {
      const username = argument(context, place + 1).toText();
      const given = accessOf(context, username, argument(context, place + 2));
      if (given === undefined) {
        reply.error(WRONG_PASSWORD);
        return;
      }
      access = given;
      place += 2;
    } else if (word === "setname" && place + 1 < context.count) {
      name = argument(context, ++place).toText();
      if (!isPrintable(name)) {
        reply.error(`ERR Client names ${BAD_NAME}`);
        return;
      }
    } else {
      reply.error(`ERR Syntax error in HELLO option '${argument(context, place).toText()}'`);
      return;
    }
  }
  if (access === "open") {
    reply.error(HELLO_WITHOUT_TOKEN);
    return;
  }
  session.access = access;
  session.version = reply.version = version;
  session.name = name;
  clients.describe(session.row, session);
  reply.map(7);
  for (const [member, value] of [
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", version],
    ["id", session.id],
    ["mode", "standalone"],
    ["role", "master"],
  ] as const) {
    reply.text(member);
    if (typeof value === "number") reply.integer(value);
    else reply.text(value);
  }
  reply.text("modules");
  reply.array(0);
}

function getName({ reply, session }: CommandContext): void {
  if (session.name === "") reply.nil();
  else reply.text(session.name);
}

function setName(context: CommandContext): void {
  const name = argument(context, 2).toText();
  if (!isPrintable(name)) {
    context.reply.error(`ERR Client names ${BAD_NAME}`);
    return;
  }
  context.session.name = name;
  context.clients.describe(context.session.row, context.session);
  context.reply.ok();
}

function setInfo(context: CommandContext): void {
  const option = argument(context, 2).toWord();
  const value = argument(context, 3).toText();
  if (option !== "lib-name" && option !== "lib-ver") {
    context.reply.error(`ERR Unrecognized option '${argument(context, 2).toText()}'`);
    return;
  }
  if (!isPrintable(value)) {
    context.reply.error(`ERR ${option} ${BAD_NAME}`);
    return;
  }
  if (option === "lib-name") context.session.libName = value;
  else context.session.libVersion = value;
  context.clients.describe(context.session.row, context.session);
  context.reply.ok();
}

function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

function onOrOff(context: CommandContext): void {
  if (/^(on|off)$/.test(argument(context, 2).toWord())) context.reply.ok();
  else context.reply.error(SYNTAX_ERROR);
}

function replies(context: CommandContext): void {
  const { session, reply } = context;
  const word = argument(context, 2).toWord();
  if (word === "on") {
    session.replies = "on";
    reply.ok();
  } else if (word === "off") session.replies = "off";
  else if (word !== "skip") reply.error(SYNTAX_ERROR);
  else if (session.replies !== "off") session.replies = "skip-next";
}
