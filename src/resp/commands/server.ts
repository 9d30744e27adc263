// Commands on the service: figures, settings, and what redis's operators ask.

import type { Access } from "../../security/tokens.ts";
import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  Failure,
  LOADING,
  patternOf,
  SYNTAX_ERROR,
} from "./context.ts";
import { infoText } from "./info.ts";
import { readFloat, readNumber } from "../protocol/numbers.ts";
import { inParts, type StepBounds } from "./slices.ts";

const NO_FOLDER = "ERR there is no folder to save to; start the service with --data-dir";
/** One takes up to 0.1 ms. */
const PATTERNS_A_STEP: StepBounds = { one: 32, part: 32 };
const OUT_OF_RANGE = "ERR value is out of range, must be positive";

/** What there is would be in place of what is being loaded. */
const NOT_WHILE_LOADING: ReadonlySet<string> = new Set(["save", "bgsave"]);

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
    flags: NOT_WHILE_LOADING.has(name)
      ? ["admin", "noscript"]
      : ["admin", "noscript", "loading", "stale"],
    syntax,
    summary,
    since,
    run,
  }));

const container = (
  name: string,
  since: string,
  summary: string,
  rows: readonly Row[],
): Command => ({
  name,
  arity: -2,
  flags: [],
  syntax: "subcommand",
  summary,
  since,
  subcommands: commandsOf(since, rows),
});

const nothing = ({ reply }: CommandContext) => reply.array(0);
const ok = ({ reply }: CommandContext) => reply.ok();

export const ADMIN_COMMANDS: readonly Command[] = [
  ...commandsOf("1.0.0", [
    ["read", "info", -1, "[section ...]", "Figures of the service.", info],
    [
      "read",
      "time",
      1,
      "",
      "Unix time in seconds, and the microseconds of the second, in steps of 1,000.",
      time,
    ],
    ["write", "save", 1, "", "Takes a snapshot and answers when it is on the disk.", save],
    ["write", "bgsave", -1, "[SCHEDULE]", "Takes a snapshot, and answers before.", backgroundSave],
    ["read", "lastsave", 1, "", "Unix time of the last snapshot, or else of the start.", lastSave],
    ["write", "shutdown", -1, "[NOSAVE | SAVE]", "Ends the service, after a snapshot.", shutdown],
    ["read", "role", 1, "", "A master without replicas.", role],
  ]),
  container("config", "2.0.0", "On parameters.", [
    ["read", "get", -3, "pattern [pattern ...]", "Parameters whose names match.", configGet],
    [
      "write",
      "set",
      -4,
      "parameter value [parameter value ...]",
      "Sets those that can be set.",
      configSet,
    ],
    ["write", "resetstat", 2, "", "Sets the counts of commands and connections to 0.", resetStat],
    ["write", "rewrite", 2, "", "An error: there is no configuration file.", rewrite],
  ]),
  container("slowlog", "2.2.12", "Slow commands are not logged.", [
    ["read", "get", -2, "[count]", "None.", nothing],
    ["read", "len", 2, "", "0.", ({ reply }) => reply.integer(0)],
    ["write", "reset", 2, "", "OK.", ok],
  ]),
  container("latency", "2.8.13", "Latencies are not kept.", [
    ["read", "latest", 2, "", "None.", nothing],
    ["read", "history", 3, "event", "None.", nothing],
    ["write", "reset", -2, "[event ...]", "0.", ({ reply }) => reply.integer(0)],
    ["read", "histogram", -2, "[command ...]", "None.", ({ reply }) => reply.map(0)],
    ["read", "doctor", 2, "", "What it says when it is off.", doctor],
  ]),
  container("function", "7.0.0", "There are no functions.", [
    ["write", "flush", -2, "[ASYNC | SYNC]", "OK: there is nothing to delete.", ok],
    ["read", "list", -2, "[LIBRARYNAME pattern] [WITHCODE]", "None.", nothing],
  ]),
  container("debug", "1.0.0", "Only with --enable-debug-command.", [
    ["write", "sleep", 3, "seconds", "Stops this worker for so long.", debugSleep],
  ]),
];

function info(context: CommandContext): void {
  const sections: string[] = [];
  for (let place = 1; place < context.count; place++)
    sections.push(argument(context, place).toWord());
  context.reply.verbatim(infoText(context, sections));
}

/** Unix time by the system's clock, which has steps of a millisecond. */
function time({ reply, cache }: CommandContext): void {
  const ms = cache.clock.systemMs;
  reply.array(2);
  reply.text(String(Math.floor(ms / 1000)));
  reply.text(String((ms % 1000) * 1000));
}

function save(context: CommandContext): void {
  const { reply, service, config } = context;
  if (config.dataDir === "") {
    reply.error(NO_FOLDER);
    return;
  }
  context.pending = service.save().then((outcome) => () => {
    if (outcome.isSaved) reply.ok();
    else reply.error(`ERR the snapshot failed: ${outcome.reason}`);
  });
}

function backgroundSave(context: CommandContext): void {
  const { reply, service, config } = context;
  const isScheduled = context.count > 1 && argument(context, 1).toWord() === "schedule";
  const isSaving = service.state.get("isSaving") !== 0;
  if (context.count > 2 || (context.count > 1 && !isScheduled)) reply.error(SYNTAX_ERROR);
  else if (config.dataDir === "") reply.error(NO_FOLDER);
  else if (isSaving && !isScheduled) reply.error("ERR Background save already in progress");
  else {
    // What becomes of it is in the log and in INFO.
    void service.save();
    reply.simple(isSaving ? "Background saving scheduled" : "Background saving started");
  }
}

function lastSave({ reply, service }: CommandContext): void {
  const startMs = Date.now() - (performance.now() - service.startedMs);
  reply.integer(Math.floor((service.state.get("savedMs") || startMs) / 1000));
}

function shutdown(context: CommandContext): void {
  const { reply, session, service, config } = context;
  const option = context.count > 1 ? argument(context, 1).toWord() : "";
  // What is not loaded yet is in the file alone: a snapshot would take its place.
  const isLoading = service.state.phase === "loading";
  if (context.count > 2 || !["", "nosave", "save"].includes(option)) reply.error(SYNTAX_ERROR);
  else if (option === "save" && config.dataDir === "") reply.error(NO_FOLDER);
  else if (option === "save" && isLoading) reply.error(LOADING);
  else if (option === "nosave" || config.dataDir === "" || isLoading) {
    session.isClosing = true;
    service.shutDown(false);
  } else {
    // Without its snapshot the service stays, as redis does.
    context.pending = service.save().then((outcome) => () => {
      if (outcome.isSaved) {
        session.isClosing = true;
        service.shutDown(true);
      } else reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
    });
  }
}

function role({ reply }: CommandContext): void {
  reply.array(3);
  reply.text("master");
  reply.integer(0);
  reply.array(0);
}

/** Each pattern is matched with all names before the next one is read: 100,000 of them take 300 MB. */
function configGet(context: CommandContext): void {
  const { reply, settings } = context;
  const names = settings.names.map((name) => ByteBuffer.ofText(name));
  const isWanted = names.map(() => false);
  let failure: Failure | undefined;
  // The first word is GET.
  let isFirst = true;
  const matchPart = (words: readonly Bytes[]): void => {
    for (const word of isFirst ? words.slice(1) : words) {
      const lower = word.bytes.toString("utf8", word.start, word.end).toLowerCase();
      const pattern = patternOf(ByteBuffer.ofText(lower));
      if (pattern instanceof Failure) failure ??= pattern;
      else for (const [n, name] of names.entries()) isWanted[n] ||= pattern.matches(name);
    }
    isFirst = false;
  };
  const write = (): void => {
    if (failure !== undefined) {
      reply.error(failure.error);
      return;
    }
    const found = settings.names.filter((_, n) => isWanted[n]);
    reply.map(found.length);
    for (const name of found) {
      reply.text(name);
      reply.text(settings.read(name));
    }
  };
  inParts(context, matchPart, write, { bounds: PATTERNS_A_STEP });
}

function configSet(context: CommandContext): void {
  if (context.count % 2 === 1) {
    context.reply.error("ERR wrong number of arguments for 'config|set' command");
    return;
  }
  const pairs: [string, string][] = [];
  for (let place = 2; place < context.count; place += 2) {
    pairs.push([argument(context, place).toWord(), argument(context, place + 1).toText()]);
  }
  const error = context.settings.set(pairs);
  if (error === undefined) context.reply.ok();
  else context.reply.error(error);
}

function resetStat({ reply, counters }: CommandContext): void {
  counters.reset();
  reply.ok();
}

function rewrite({ reply }: CommandContext): void {
  reply.error("ERR The server is running without a config file");
}

function doctor({ reply }: CommandContext): void {
  reply.verbatim("Latencies are not kept here.");
}

function debugSleep(context: CommandContext): void {
  const seconds = argument(context, 2).toText();
  const isNumber = readFloat(seconds) !== undefined && readNumber(argument(context, 2)) !== -1;
  const ms = Number(seconds) * 1000;
  if (!isNumber || !(ms >= 0)) {
    context.reply.error(OUT_OF_RANGE);
    return;
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  context.nowMs = context.cache.clock.now();
  context.reply.ok();
}
