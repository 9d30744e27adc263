// Commands on the client's own connection and on other connections.

import type { Access } from "../../security/tokens.ts";
import { argument, type CommandContext, type Command, wrongSubcommand } from "./context.ts";
import { DEFAULT_USER, READ_ONLY_USER } from "./acl.ts";
import { SELECT } from "./databases.ts";
import { container, define, OPEN, READ, WRITE } from "./define.ts";
import { Failure, SYNTAX_ERROR, wrongNumberOfArguments } from "./failure.ts";
import { grammar, option, pair, repeatable } from "./grammar.ts";
import { endTransaction } from "./transactions.ts";
import { TRACKING_COMMANDS } from "./tracking.ts";
import { describeClient, info, kill, list } from "./client-list.ts";
import { isRestricted } from "../push/subscriber.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";

/**
 * The version that clients read. Libraries ask for it before they use a feature; the commands of strings,
 * connections and scripts of this version are there. redis-py asks for 7.4 for its client-side cache.
 */
export const REDIS_VERSION = "7.4.2";
const NO_PASSWORD_CONFIGURED = new Failure(
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);
const HELLO_WITHOUT_TOKEN = new Failure(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);
const HELLO_NOT_A_VERSION = new Failure("ERR Protocol version is not an integer or out of range");
const HELLO_UNSUPPORTED_VERSION = new Failure("NOPROTO unsupported protocol version");
const WRONG_PASSWORD = new Failure("WRONGPASS invalid username-password pair or user is disabled.");

const TIMEOUT_NOT_AN_INTEGER = new Failure("ERR timeout is not an integer or out of range");
const TIMEOUT_NEGATIVE = new Failure("ERR timeout is negative");
const PAUSE_MODE = new Failure("ERR CLIENT PAUSE mode must be WRITE or ALL");

const CONNECTION = "noscript loading stale";
const BEFORE_AUTH = "noscript loading stale fast no_auth allow_busy";
const ADMIN = "admin noscript loading stale";
const EVERYWHERE = "loading stale fast";

export const CONNECTION_COMMANDS: readonly Command[] = [
  // PING fails while the service loads: it shows whether the service serves.
  define("ping", "[message]", "fast", "1.0.0", "PONG, or the message.", ping, READ),
  define(
    "echo",
    "message",
    EVERYWHERE,
    "1.0.0",
    "The message.",
    (context) => context.reply.bulk(argument(context, 1)),
    READ,
  ),
  // As in Redis, QUIT ignores any arguments.
  define("quit", "", BEFORE_AUTH, "1.0.0", "OK, and the connection closes.", quit, {
    access: "open",
    arity: -1,
  }),
  define("reset", "", BEFORE_AUTH, "1.0.0", "Makes the connection as good as new.", reset, OPEN),
  SELECT,
  define(
    "auth",
    "[username] password",
    BEFORE_AUTH,
    "1.0.0",
    "Sends a token; the username is default.",
    auth,
    OPEN,
  ),
  define(
    "hello",
    "[protover [AUTH username password] [SETNAME clientname]]",
    BEFORE_AUTH,
    "1.0.0",
    "Chooses version 2 or 3 of the protocol and says what this is.",
    hello,
    OPEN,
  ),
  container("client", "2.4.0", "On connections.", [
    define(
      "client id",
      "",
      CONNECTION,
      "2.4.0",
      "Number of this connection.",
      ({ reply, session }) => reply.integer(session.id),
      READ,
    ),
    define("client getname", "", CONNECTION, "2.4.0", "Its name.", getName, READ),
    define(
      "client setname",
      "connection-name",
      CONNECTION,
      "2.4.0",
      "Gives it a name.",
      setName,
      READ,
    ),
    define(
      "client setinfo",
      "LIB-NAME libname | LIB-VER libver",
      CONNECTION,
      "2.4.0",
      "Says which library it uses.",
      setInfo,
      READ,
    ),
    define("client info", "", CONNECTION, "2.4.0", "Its line of CLIENT LIST.", info, READ),
    define(
      "client list",
      "[TYPE type] [ID id ...]",
      ADMIN,
      "2.4.0",
      "The connections of all workers.",
      list,
      READ,
    ),
    define(
      "client kill",
      "address | [ID id] [ADDR address] [LADDR address] [TYPE type] [USER user] [SKIPME YES | NO] [MAXAGE seconds]",
      ADMIN,
      "2.4.0",
      "Closes connections; their clients run no further commands.",
      kill,
      WRITE,
    ),
    define(
      "client no-evict",
      "ON | OFF",
      ADMIN,
      "2.4.0",
      "Accepted: connections are not evicted.",
      acceptOnOrOff,
      READ,
    ),
    define(
      "client no-touch",
      "ON | OFF",
      CONNECTION,
      "2.4.0",
      "Accepted, without effect.",
      acceptOnOrOff,
      READ,
    ),
    define(
      "client pause",
      "timeout [WRITE | ALL]",
      ADMIN,
      "2.9.50",
      "Lets the commands of all clients of this port, or those that write, wait for a time in ms.",
      pause,
      WRITE,
    ),
    define("client unpause", "", ADMIN, "6.2.0", "Ends the pause.", unpause, WRITE),
    define(
      "client reply",
      "ON | OFF | SKIP",
      // The reply of EXEC has one element for each command, so none may be left out.
      `${CONNECTION} no_multi`,
      "2.4.0",
      "Whether this connection is answered.",
      setReplies,
      READ,
    ),
    ...TRACKING_COMMANDS,
  ]),
];

function ping(context: CommandContext): void | Failure {
  const { reply, session } = context;
  if (context.count > 2) return wrongNumberOfArguments("ping");
  if (isRestricted(session)) {
    reply.array(2);
    reply.text("pong");
    if (context.count === 1) reply.text("");
    else reply.bulk(argument(context, 1));
  } else if (context.count === 1) reply.simple("PONG");
  else reply.bulk(argument(context, 1));
}

function quit({ reply, session, clients }: CommandContext): void {
  reply.ok();
  session.isClosing = true;
  // A client that has the reply must not find this one: invalidations would still be redirected to it.
  clients.unlist(session.row);
}

function reset(context: CommandContext): void {
  const { reply, session, push, service } = context;
  push.forget(session);
  session.access = service.tokens.withoutToken;
  session.version = reply.version = 2;
  session.name = "";
  session.replies = "on";
  session.database = 0;
  endTransaction(session);
  describeClient(context);
  reply.simple("RESET");
}

function auth(context: CommandContext): void | Failure {
  const { reply, session, service, count } = context;
  if (count > 3) return SYNTAX_ERROR;
  if (count === 2 && !service.tokens.areNeeded) return NO_PASSWORD_CONFIGURED;
  const username = count === 3 ? argument(context, 1).toText() : "default";
  const access = authenticate(context, username, argument(context, count - 1));
  if (access instanceof Failure) return access;
  session.access = access;
  reply.ok();
}

/** Returns the access of the client. Without tokens any password is right, as in Redis. */
function authenticate(
  { service }: CommandContext,
  username: string,
  password: Argument,
): Access | Failure {
  const { tokens, rejections } = service;
  const access = tokens.areNeeded ? tokens.accessOf(password.toText()) : "write";
  const isUser = username === DEFAULT_USER || (username === READ_ONLY_USER && access === "read");
  if (isUser && access !== undefined) return access;
  rejections.add("resp", "wrong_token");
  return WRONG_PASSWORD;
}

const HELLO_OPTIONS = grammar(
  {
    access: repeatable(
      pair("auth", (username, password, context) =>
        authenticate(context, username.toText(), password),
      ),
    ),
    name: repeatable(option("setname", readClientName)),
  },
  (word) => new Failure(`ERR Syntax error in HELLO option '${word.toShown()}'`),
);

function hello(context: CommandContext): void | Failure {
  const { reply, session, clients } = context;
  const version = context.count > 1 ? readNumber(argument(context, 1)) : session.version;
  if (version === undefined) return HELLO_NOT_A_VERSION;
  if (version !== 2 && version !== 3) return HELLO_UNSUPPORTED_VERSION;
  const options = HELLO_OPTIONS.parse(context, 2);
  if (options instanceof Failure) return options;
  const { access = session.access, name = session.name } = options;
  if (access === "open") return HELLO_WITHOUT_TOKEN;
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

function setName(context: CommandContext): void | Failure {
  const { reply, session, clients } = context;
  const name = readClientName(argument(context, 2));
  if (name instanceof Failure) return name;
  session.name = name;
  clients.describe(session.row, session);
  reply.ok();
}

function setInfo(context: CommandContext): void | Failure {
  const { reply, session, clients } = context;
  const attribute = argument(context, 2).toWord();
  if (attribute !== "lib-name" && attribute !== "lib-ver")
    return new Failure(`ERR Unrecognized option '${argument(context, 2).toShown()}'`);
  const value = readPrintable(argument(context, 3), attribute);
  if (value instanceof Failure) return value;
  if (attribute === "lib-name") session.libName = value;
  else session.libVersion = value;
  clients.describe(session.row, session);
  reply.ok();
}

function readClientName(name: Argument): string | Failure {
  return readPrintable(name, "Client names");
}

/** Returns a text of printable ASCII without spaces. `subject` begins the error. */
function readPrintable(argument: Argument, subject: string): string | Failure {
  const text = argument.toText();
  if (/^[!-~]*$/.test(text)) return text;
  return new Failure(`ERR ${subject} cannot contain spaces, newlines or special characters.`);
}

function pause(context: CommandContext): void | Failure {
  const { reply, settings, nowMs, count } = context;
  if (count > 4) return wrongSubcommand(context);
  const timeoutMs = readNumber(argument(context, 2));
  if (timeoutMs === undefined) return TIMEOUT_NOT_AN_INTEGER;
  if (timeoutMs < 0) return TIMEOUT_NEGATIVE;
  const mode = count === 3 ? "all" : argument(context, 3).toWord();
  if (mode !== "all" && mode !== "write") return PAUSE_MODE;
  settings.pause(nowMs + timeoutMs, mode === "all");
  reply.ok();
}

function unpause({ reply, settings }: CommandContext): void {
  settings.pause(0, false);
  reply.ok();
}

function acceptOnOrOff(context: CommandContext): void | Failure {
  if (!/^(on|off)$/.test(argument(context, 2).toWord())) return SYNTAX_ERROR;
  context.reply.ok();
}

/** ON has a reply, OFF and SKIP have none. */
function setReplies(context: CommandContext): void | Failure {
  const { session, reply } = context;
  const mode = argument(context, 2).toWord();
  if (mode === "on") {
    session.replies = "on";
    reply.ok();
  } else if (mode === "off") session.replies = "off";
  else if (mode !== "skip") return SYNTAX_ERROR;
  else if (session.replies !== "off") session.replies = "skip-next";
}
