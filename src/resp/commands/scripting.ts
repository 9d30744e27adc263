// Commands that run scripts: EVAL, EVALSHA, EVAL_RO, EVALSHA_RO and SCRIPT.

import { argument, type CommandContext, type Command } from "./context.ts";
import { container, define, LINEAR, READ, WRITE } from "./define.ts";
import { Failure } from "./failure.ts";

const RUN_SYNTAX = "numkeys [key ...] [arg ...]";
const DEPENDS = { complexity: "Depends on the script that is executed." } as const;

const NOT_BUSY = new Failure("NOTBUSY No scripts in execution right now.");
const UNKILLABLE = new Failure(
  "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the " +
    "script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
);
const FLUSH_OPTIONS = new Failure("ERR SCRIPT FLUSH only support SYNC|ASYNC option");

export const SCRIPTING_COMMANDS: readonly Command[] = [
  define(
    "eval",
    `script ${RUN_SYNTAX}`,
    "noscript stale skip_monitor no_mandatory_keys movablekeys",
    "2.6.0",
    "Runs a script in Lua.",
    (context) => context.scripts.run(context, { isSha: false, isReadOnly: false }),
    { ...WRITE, ...DEPENDS },
  ),
  define(
    "evalsha",
    `sha1 ${RUN_SYNTAX}`,
    "noscript stale skip_monitor no_mandatory_keys movablekeys",
    "2.6.0",
    "Runs a script by its SHA-1.",
    (context) => context.scripts.run(context, { isSha: true, isReadOnly: false }),
    { ...WRITE, ...DEPENDS },
  ),
  define(
    "eval_ro",
    `script ${RUN_SYNTAX}`,
    "readonly noscript stale skip_monitor no_mandatory_keys movablekeys",
    "7.0.0",
    "Runs a script in Lua that only reads.",
    (context) => context.scripts.run(context, { isSha: false, isReadOnly: true }),
    { ...READ, ...DEPENDS },
  ),
  define(
    "evalsha_ro",
    `sha1 ${RUN_SYNTAX}`,
    "readonly noscript stale skip_monitor no_mandatory_keys movablekeys",
    "7.0.0",
    "Runs a script that only reads by its SHA-1.",
    (context) => context.scripts.run(context, { isSha: true, isReadOnly: true }),
    { ...READ, ...DEPENDS },
  ),
  container("script", "2.6.0", "Has subcommands for the cache of scripts.", [
    define(
      "script exists",
      "sha1 [sha1 ...]",
      "noscript",
      "2.6.0",
      "Replies which scripts are in the cache of scripts.",
      exists,
      { ...READ, ...LINEAR },
    ),
    define(
      "script flush",
      "[ASYNC | SYNC]",
      "noscript",
      "2.6.0",
      "Empties the cache of scripts.",
      flush,
      { ...WRITE, ...LINEAR },
    ),
    define(
      "script kill",
      "",
      "noscript allow_busy",
      "2.6.0",
      "Ends the scripts that are running and have written nothing.",
      kill,
      WRITE,
    ),
    define(
      "script load",
      "script",
      "noscript stale",
      "2.6.0",
      "Adds a script to the cache of scripts, and replies with its SHA-1.",
      load,
      { ...WRITE, ...LINEAR },
    ),
  ]),
];

function load(context: CommandContext): void | Failure {
  const sha = context.scripts.load(argument(context, 2), context.nowMs);
  if (sha instanceof Failure) return sha;
  context.reply.text(sha);
}

function exists(context: CommandContext): void {
  const shas: string[] = [];
  for (let index = 2; index < context.count; index++) shas.push(argument(context, index).toWord());
  const { reply } = context;
  reply.array(shas.length);
  for (const isThere of context.scripts.exist(shas)) reply.integer(isThere ? 1 : 0);
}

function flush(context: CommandContext): void | Failure {
  const mode = context.count > 2 ? argument(context, 2).toWord() : "sync";
  if (context.count > 3 || (mode !== "sync" && mode !== "async")) return FLUSH_OPTIONS;
  context.scripts.clear();
  context.reply.ok();
}

function kill(context: CommandContext): void | Failure {
  const outcome = context.scripts.kill();
  if (outcome === "none") return NOT_BUSY;
  if (outcome === "have written") return UNKILLABLE;
  context.reply.ok();
}
