// Commands on the service: statistics, configuration, snapshots, and the questions of operators.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { argument, type CommandContext, type Command, readPattern } from "./context.ts";
import { container, define, READ, WRITE } from "./define.ts";
import { byteString, Failure, LOADING, SYNTAX_ERROR, wrongNumberOfArguments } from "./failure.ts";
import type { ParameterText } from "../config-parameters.ts";
import { infoText } from "./info.ts";
import { inParts, type StepBounds } from "./slices.ts";

const NO_FOLDER = new Failure(
  "ERR there is no folder to save to; start the service with --data-dir",
);
const SAVE_IN_PROGRESS = new Failure("ERR Background save already in progress");
const SHUTDOWN_FAILED = new Failure("ERR Errors trying to SHUTDOWN. Check logs.");
const NO_CONFIG_FILE = new Failure("ERR The server is running without a config file");
/** One pattern takes up to 0.1 ms. */
const PATTERNS_PER_STEP: StepBounds = { one: 32, part: 32 };

const ADMIN = "admin noscript loading stale";
const SLOWLOG = "admin loading stale";
/** While the service loads, a snapshot would replace a file that holds more than memory does. */
const ADMIN_AFTER_LOADING = "admin noscript no_async_loading";

const replyEmpty = ({ reply }: CommandContext) => reply.array(0);
const replyZero = ({ reply }: CommandContext) => reply.integer(0);
const replyOk = ({ reply }: CommandContext) => reply.ok();

export const SERVER_COMMANDS: readonly Command[] = [
  define("info", "[section ...]", "loading stale", "1.0.0", "Figures of the service.", info, READ),
  define(
    "time",
    "",
    "loading stale fast",
    "1.0.0",
    "Unix time in seconds, and the microseconds of the second, in steps of 1,000.",
    time,
    READ,
  ),
  define(
    "save",
    "",
    `${ADMIN_AFTER_LOADING} no_multi`,
    "1.0.0",
    "Takes a snapshot and answers when it is on the disk.",
    save,
    WRITE,
  ),
  define(
    "bgsave",
    "[SCHEDULE]",
    ADMIN_AFTER_LOADING,
    "1.0.0",
    "Takes a snapshot, and answers before.",
    backgroundSave,
    WRITE,
  ),
  define(
    "lastsave",
    "",
    "loading stale fast",
    "1.0.0",
    "Unix time of the last snapshot, or else of the start.",
    lastSave,
    READ,
  ),
  define(
    "shutdown",
    "[NOSAVE | SAVE]",
    `${ADMIN} no_multi allow_busy`,
    "1.0.0",
    "Ends the service, after a snapshot.",
    shutdown,
    WRITE,
  ),
  define(
    "role",
    "",
    "noscript loading stale fast",
    "1.0.0",
    "A master without replicas.",
    role,
    READ,
  ),
  container("config", "2.0.0", "On parameters.", [
    define(
      "config get",
      "pattern [pattern ...]",
      ADMIN,
      "2.0.0",
      "Parameters whose names match.",
      configGet,
      READ,
    ),
    define(
      "config set",
      "parameter value [parameter value ...]",
      ADMIN,
      "2.0.0",
      "Sets those that can be set.",
      configSet,
      WRITE,
    ),
    define(
      "config resetstat",
      "",
      ADMIN,
      "2.0.0",
      "Sets the counts of commands, connections, hits, misses, expired and evicted keys to 0.",
      resetStat,
      WRITE,
    ),
    define(
      "config rewrite",
      "",
      ADMIN,
      "2.0.0",
      "An error: there is no configuration file.",
      rewrite,
      WRITE,
    ),
  ]),
  container("slowlog", "2.2.12", "Slow commands are not logged.", [
    define("slowlog get", "[count]", SLOWLOG, "2.2.12", "An empty list.", replyEmpty, READ),
    define("slowlog len", "", SLOWLOG, "2.2.12", "0.", replyZero, READ),
    define("slowlog reset", "", SLOWLOG, "2.2.12", "OK.", replyOk, WRITE),
  ]),
  container("latency", "2.8.13", "Latencies are not kept.", [
    define("latency latest", "", ADMIN, "2.8.13", "An empty list.", replyEmpty, READ),
    define("latency history", "event", ADMIN, "2.8.13", "An empty list.", replyEmpty, READ),
    define("latency reset", "[event ...]", ADMIN, "2.8.13", "0.", replyZero, WRITE),
    define(
      "latency histogram",
      "[command ...]",
      ADMIN,
      "2.8.13",
      "An empty list.",
      ({ reply }) => reply.map(0),
      READ,
    ),
    define(
      "latency doctor",
      "",
      ADMIN,
      "2.8.13",
      "The text of a monitor that is off.",
      doctor,
      READ,
    ),
  ]),
  container("function", "7.0.0", "There are no functions.", [
    define(
      "function flush",
      "[ASYNC | SYNC]",
      "write noscript",
      "7.0.0",
      "OK: there is nothing to delete.",
      replyOk,
      WRITE,
    ),
    define(
      "function list",
      "[LIBRARYNAME pattern] [WITHCODE]",
      "noscript",
      "7.0.0",
      "An empty list.",
      replyEmpty,
      READ,
    ),
  ]),
];

function info(context: CommandContext): void {
  const sections: string[] = [];
  for (let index = 1; index < context.count; index++)
    sections.push(argument(context, index).toWord());
  context.reply.verbatim(infoText(context, sections));
}

/** Writes the time of the system's clock, which has steps of a millisecond. */
function time({ reply, cache }: CommandContext): void {
  const ms = cache.clock.systemMs;
  reply.array(2);
  reply.text(String(Math.floor(ms / 1000)));
  reply.text(String((ms % 1000) * 1000));
}

function save(context: CommandContext): void | Failure {
  const { reply, service, config } = context;
  if (config.dataDir === "") return NO_FOLDER;
  context.pending = service.save().then((outcome) => (): void | Failure => {
    if (!outcome.isSaved)
      return new Failure(`ERR the snapshot failed: ${byteString(outcome.reason)}`);
    reply.ok();
  });
}

function backgroundSave(context: CommandContext): void | Failure {
  const { reply, service, config, count } = context;
  const isScheduled = count > 1 && argument(context, 1).toWord() === "schedule";
  const isSaving = service.state.get("isSaving") !== 0;
  if (count > 2 || (count > 1 && !isScheduled)) return SYNTAX_ERROR;
  if (config.dataDir === "") return NO_FOLDER;
  if (isSaving && !isScheduled) return SAVE_IN_PROGRESS;
  // The log and INFO show the outcome.
  void service.save();
  reply.simple(isSaving ? "Background saving scheduled" : "Background saving started");
}

function lastSave({ reply, service }: CommandContext): void {
  const startMs = Date.now() - (performance.now() - service.startedMs);
  reply.integer(Math.floor((service.state.get("savedMs") || startMs) / 1000));
}

function shutdown(context: CommandContext): void | Failure {
  const { session, service, config, count } = context;
  const option = count > 1 ? argument(context, 1).toWord() : "";
  const canSave = config.dataDir !== "";
  // While loading, the file holds more than memory does: a snapshot would replace it.
  const isLoading = service.state.phase === "loading";
  if (count > 2 || !["", "nosave", "save"].includes(option)) return SYNTAX_ERROR;
  if (option === "save" && !canSave) return NO_FOLDER;
  if (option === "save" && isLoading) return LOADING;
  if (option === "nosave" || !canSave || isLoading) {
    session.isClosing = true;
    service.shutDown(false);
    return;
  }
  // If the snapshot fails the service continues, as Redis does.
  context.pending = service.save().then((outcome) => (): void | Failure => {
    if (!outcome.isSaved) return SHUTDOWN_FAILED;
    session.isClosing = true;
    service.shutDown(true);
  });
}

function role({ reply }: CommandContext): void {
  reply.array(3);
  reply.text("master");
  reply.integer(0);
  reply.array(0);
}

/** Matches each pattern with all names before it reads the next: 100,000 patterns take 300 MB. */
function configGet(context: CommandContext): void | Failure {
  const { reply, settings } = context;
  const names = settings.names.map((name) => ByteBuffer.ofText(name));
  const isMatch = names.map(() => false);
  let failure: Failure | undefined;
  // The first word is GET.
  let isFirst = true;
  const matchPart = (words: readonly Bytes[]): void => {
    for (const word of isFirst ? words.slice(1) : words) {
      const lower = word.bytes.toString("utf8", word.start, word.end).toLowerCase();
      const pattern = readPattern(ByteBuffer.ofText(lower));
      if (pattern instanceof Failure) failure ??= pattern;
      else for (const [n, name] of names.entries()) isMatch[n] ||= pattern.matches(name);
    }
    isFirst = false;
  };
  const write = (): void | Failure => {
    if (failure !== undefined) return failure;
    const matches = settings.names.filter((_, n) => isMatch[n]);
    reply.map(matches.length);
    for (const name of matches) {
      reply.text(name);
      reply.text(settings.read(name));
    }
  };
  return inParts(context, matchPart, write, { bounds: PATTERNS_PER_STEP });
}

function configSet(context: CommandContext): void | Failure {
  if (context.count % 2 === 1) return wrongNumberOfArguments("config|set");
  const pairs: ParameterText[] = [];
  for (let index = 2; index < context.count; index += 2) {
    const name = argument(context, index);
    const value = argument(context, index + 1).toText();
    pairs.push({ name: name.toWord(), value, shown: name.toShown() });
  }
  const error = context.settings.set(pairs);
  context.push.tracking.trim();
  if (error !== undefined) return new Failure(error);
  context.reply.ok();
}

function resetStat({ reply, counters, cache }: CommandContext): void {
  counters.reset(cache.maintenance.stats());
  reply.ok();
}

function rewrite(): Failure {
  return NO_CONFIG_FILE;
}

function doctor({ reply }: CommandContext): void {
  reply.verbatim("Latencies are not kept here.");
}
