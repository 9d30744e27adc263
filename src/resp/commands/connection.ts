// Commands on the connection itself, and on those of others.

import type { Access } from "../../security/tokens.ts";
import { argument, type Call, type Command, NOT_AN_INTEGER, SYNTAX_ERROR } from "./context.ts";
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
  run: (call: Call) => void,
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
    ["read", "echo", 2, "message", "The message.", (call) => call.reply.bulk(argument(call, 1))],
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

function ping(call: Call): void {
  const { reply } = call;
  if (call.count === 1) reply.simple("PONG");
  else if (call.count === 2) reply.bulk(argument(call, 1));
  else reply.error("ERR wrong number of arguments for 'ping' command");
}

function quit({ reply, session }: Call): void {
  reply.ok();
  session.isClosing = true;
}

function reset({ reply, session, clients, service }: Call): void {
  session.access = service.tokens.withoutToken;
  session.version = reply.version = 2;
  session.name = "";
  session.replies = "on";
  clients.describe(session.row, session);
  reply.simple("RESET");
}

function select(call: Call): void {
  const index = readNumber(argument(call, 1));
  if (index === 0) call.reply.ok();
  else call.reply.error(index === undefined ? NOT_AN_INTEGER : "ERR DB index is out of range");
}

function auth(call: Call): void {
  const { reply, session, service } = call;
  if (call.count > 3) reply.error(SYNTAX_ERROR);
  else if (call.count === 2 && !service.tokens.areNeeded) {
    reply.error(
      "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
  } else {
    const username = call.count === 3 ? argument(call, 1).toText() : "default";
    const access = accessOf(call, username, argument(call, call.count - 1));
    if (access === undefined) reply.error(WRONG_PASSWORD);
    else {
      session.access = access;
      reply.ok();
    }
  }
}

/** What these give a client; undefined if they are wrong. Without tokens any password will do, as with redis. */
function accessOf({ service }: Call, username: string, password: Argument): Access | undefined {
  const { tokens, refusals } = service;
  if (username === "default") {
    const access = tokens.areNeeded ? tokens.accessOf(password.toText()) : "write";
    if (access !== undefined) return access;
  }
  refusals.add("resp", "wrong_token");
  return undefined;
}

function hello(call: Call): void {
  const { reply, session, clients } = call;
  const version = call.count > 1 ? readNumber(argument(call, 1)) : session.version;
  if (version === undefined) {
    reply.error("ERR Protocol version is not an integer or out of range");
    return;
  }
  if (version !== 2 && version !== 3) {
    reply.error("NOPROTO unsupported protocol version");
    return;
  }
  let { name, access } = session;
  for (let place = 2; place < call.count; place++) {
    const word = argument(call, place).toWord();
    if (word === "auth" && place + 2 < call.count) {
      const username = argument(call, place + 1).toText();
      const given = accessOf(call, username, argument(call, place + 2));
      if (given === undefined) {
        reply.error(WRONG_PASSWORD);
        return;
      }
      access = given;
      place += 2;
    } else if (word === "setname" && place + 1 < call.count) {
      name = argument(call, ++place).toText();
      if (!isPrintable(name)) {
        reply.error(`ERR Client names ${BAD_NAME}`);
        return;
      }
    } else {
      reply.error(`ERR Syntax error in HELLO option '${argument(call, place).toText()}'`);
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

function getName({ reply, session }: Call): void {
  if (session.name === "") reply.nil();
  else reply.text(session.name);
}

function setName(call: Call): void {
  const name = argument(call, 2).toText();
  if (!isPrintable(name)) {
    call.reply.error(`ERR Client names ${BAD_NAME}`);
    return;
  }
  call.session.name = name;
  call.clients.describe(call.session.row, call.session);
  call.reply.ok();
}

function setInfo(call: Call): void {
  const option = argument(call, 2).toWord();
  const value = argument(call, 3).toText();
  if (option !== "lib-name" && option !== "lib-ver") {
    call.reply.error(`ERR Unrecognized option '${argument(call, 2).toText()}'`);
    return;
  }
  if (!isPrintable(value)) {
    call.reply.error(`ERR ${option} ${BAD_NAME}`);
    return;
  }
  if (option === "lib-name") call.session.libName = value;
  else call.session.libVersion = value;
  call.clients.describe(call.session.row, call.session);
  call.reply.ok();
}

function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

function onOrOff(call: Call): void {
  if (/^(on|off)$/.test(argument(call, 2).toWord())) call.reply.ok();
  else call.reply.error(SYNTAX_ERROR);
}

function replies(call: Call): void {
  const { session, reply } = call;
  const word = argument(call, 2).toWord();
  if (word === "on") {
    session.replies = "on";
    reply.ok();
  } else if (word === "off") session.replies = "off";
  else if (word !== "skip") reply.error(SYNTAX_ERROR);
  else if (session.replies !== "off") session.replies = "skip-next";
}
