// DEBUG: what test suites ask of a server. It needs --enable-debug-command.

import { matches } from "../../cache/glob.ts";
import { argument, type Command, type CommandContext } from "./context.ts";
import { container, define, WRITE } from "./define.ts";
import { Failure, NO_SUCH_KEY } from "./failure.ts";
import { encodingOf } from "./generic.ts";
import { readFloat, readNumber } from "../protocol/numbers.ts";
import type { Reply } from "../protocol/reply.ts";

const ADMIN = "admin noscript loading stale";
const OUT_OF_RANGE = new Failure("ERR value is out of range, must be positive");
const NO_RESP2 = new Failure("ERR RESP2 is not supported by this command");
const BIG_NUMBER = "1234567999999999999999999999999999999";

/** Writes a line of version 3, of a type that no other command replies with. */
function line(reply: Reply, text: string): void {
  reply.out.appendByteString(`${text}\r\n`);
}

function writeBoolean(reply: Reply, value: boolean): void {
  if (reply.version === 3) line(reply, value ? "#t" : "#f");
  else reply.integer(value ? 1 : 0);
}

function writeNumber(reply: Reply, sign: string, text: string): void {
  if (reply.version === 3) line(reply, `${sign}${text}`);
  else reply.text(text);
}

export const DEBUG_COMMAND: Command = container(
  "debug",
  "1.0.0",
  "Only with --enable-debug-command.",
  [
    define(
      "debug sleep",
      "seconds",
      ADMIN,
      "1.0.0",
      "Stops this worker for that time.",
      sleep,
      WRITE,
    ),
    define(
      "debug protocol",
      "type",
      ADMIN,
      "1.0.0",
      "A reply of a type of the protocol.",
      protocol,
      WRITE,
    ),
    define(
      "debug object",
      "key",
      ADMIN,
      "1.0.0",
      "What is known of a value, in one line.",
      object,
      WRITE,
    ),
    define(
      "debug error",
      "message",
      ADMIN,
      "1.0.0",
      "The message as an error.",
      (context) => new Failure(argument(context, 2).toShown()),
      WRITE,
    ),
    define(
      "debug stringmatch-len",
      "length pattern",
      ADMIN,
      "1.0.0",
      "Whether the pattern matches as many letters a.",
      stringMatch,
      WRITE,
    ),
    define(
      "debug set-active-expire",
      "0 | 1",
      ADMIN,
      "1.0.0",
      "Whether expired entries are freed before they are read.",
      setActiveExpire,
      WRITE,
    ),
    define(
      "debug set-disable-deny-scripts",
      "0 | 1",
      ADMIN,
      "7.0.0",
      "Whether scripts may run all commands.",
      setDisableDenyScripts,
      WRITE,
    ),
  ],
  ADMIN,
);

function sleep(context: CommandContext): void | Failure {
  const seconds = argument(context, 2).toText();
  const isNumber = readFloat(seconds) !== undefined && readNumber(argument(context, 2)) !== -1;
  const ms = Number(seconds) * 1000;
  if (!isNumber || !(ms >= 0)) return OUT_OF_RANGE;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  context.nowMs = context.cache.clock.now();
  context.reply.ok();
}

type WriteType = (reply: Reply) => void | Failure;

const writeNumbers = (reply: Reply): void => {
  for (const number of [0, 1, 2]) reply.integer(number);
};

const TYPES: ReadonlyMap<string, WriteType> = new Map<string, WriteType>([
  ["string", (reply) => reply.text("Hello World")],
  ["integer", (reply) => reply.integer(12_345)],
  ["double", (reply) => writeNumber(reply, ",", "3.141")],
  ["bignum", (reply) => writeNumber(reply, "(", BIG_NUMBER)],
  ["null", (reply) => reply.nil()],
  [
    "array",
    (reply) => {
      reply.array(3);
      writeNumbers(reply);
    },
  ],
  [
    "set",
    (reply) => {
      reply.set(3);
      writeNumbers(reply);
    },
  ],
  [
    "map",
    (reply) => {
      reply.map(3);
      for (const number of [0, 1, 2]) {
        reply.integer(number);
        writeBoolean(reply, number === 1);
      }
    },
  ],
  ["attrib", writeAttribute],
  ["push", writePush],
  ["verbatim", (reply) => reply.verbatim("This is a verbatim\nstring")],
  ["true", (reply) => writeBoolean(reply, true)],
  ["false", (reply) => writeBoolean(reply, false)],
]);

function protocol(context: CommandContext): void | Failure {
  const write = TYPES.get(argument(context, 2).toWord());
  if (write !== undefined) return write(context.reply);
  return new Failure(
    `ERR Wrong protocol type name. Please use one of the following: ${[...TYPES.keys()].join("|")}`,
  );
}

function writeAttribute(reply: Reply): void {
  if (reply.version === 3) {
    line(reply, "|1");
    reply.text("key-popularity");
    reply.array(2);
    reply.text("key:123");
    reply.integer(90);
  }
  reply.text("Some real reply following the attribute");
}

function writePush(reply: Reply): void | Failure {
  if (reply.version === 2) return NO_RESP2;
  reply.push(2);
  reply.text("server-cpu-usage");
  reply.integer(42);
  reply.text("Some real reply following the push reply");
}

/** Addresses and times do not exist here: they are 0. */
function object(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const facts = cache.look(argument(context, 2), nowMs);
  if (facts === undefined) return NO_SUCH_KEY;
  const encoding = encodingOf(context, facts);
  reply.simple(
    `Value at:0x0 refcount:1 encoding:${encoding} serializedlength:${facts.valueBytes} lru:0 lru_seconds_idle:0`,
  );
}

function stringMatch(context: CommandContext): void | Failure {
  const length = readNumber(argument(context, 2));
  if (length === undefined || length < 0 || length > 2 ** 20) return OUT_OF_RANGE;
  const letters = Buffer.alloc(length, "a");
  const isMatch = matches(argument(context, 3), { bytes: letters, start: 0, end: length });
  context.reply.integer(isMatch ? 1 : 0);
}

function setActiveExpire(context: CommandContext): void | Failure {
  const { reply, service } = context;
  service.state.set("isSweepPaused", argument(context, 2).toText() === "0" ? 1 : 0);
  reply.ok();
}

function setDisableDenyScripts(context: CommandContext): void {
  const { reply, service } = context;
  service.state.set("scriptsMayRunAll", argument(context, 2).toText() === "1" ? 1 : 0);
  reply.ok();
}
