// Runs the scripts of one worker. The interpreter starts with the first script.
//
// A script is one step for all threads. It locks the shards of its keys before it runs. If it uses another
// key, the step is extended to all shards if they are free. Otherwise the script starts again with
// all shards locked if it has written nothing, and the command fails if it has. The worker remembers such a
// script, and locks all shards before its next run.
//
// A script that has to end in the middle leaves a broken interpreter, and the next script starts another.

import type { Bytes, Cache } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type ScriptForm,
  type Scripts,
} from "../commands/context.ts";
import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import { Failure, NO_ROOM, NOT_AN_INTEGER } from "../commands/failure.ts";
import { readNumber } from "../protocol/numbers.ts";
import { NoRoomError } from "../protocol/reply.ts";
import { interpreterFailure, sha1Of } from "./interpreter.ts";
import { FREE_BYTES } from "./lua.ts";
import { RunningScripts } from "./running-scripts.ts";
import { ScriptCache } from "./script-cache.ts";
import { type RunOptions, ScriptRun, StartAgain, StopScript } from "./script-run.ts";
import { type Declaration, readShebang } from "./shebang.ts";

/** Scripts that a worker keeps compiled. */
const COMPILED_MAX = 4096;
const SHA_LENGTH = 40;
/** Index of the first key among the arguments. */
const FIRST_KEY = 3;
const NO_RECORD = -1;

const NO_SCRIPT = new Failure("NOSCRIPT No matching script. Please use EVAL.");
const TOO_MANY_KEYS = new Failure("ERR Number of keys can't be greater than number of args");
const NEGATIVE_KEYS = new Failure("ERR Number of keys can't be negative");
const READ_ONLY_COMMAND = new Failure(
  "ERR Can not execute a script with write flag using *_ro command.",
);
const FULL_CACHE = new Failure("OOM the script cache is full; SCRIPT FLUSH empties it");

/** A script that the interpreter has compiled. */
interface Compiled {
  readonly sha: string;
  /** Its number in the interpreter. */
  readonly number: number;
  readonly declaration: Declaration;
  /** Its record in the shared cache, -1 without one, which was seen in this generation of the cache. */
  record: number;
  generation: number;
  /** Whether it has used a key that is not among its keys. */
  usesOtherKeys: boolean;
}

export interface ScriptingMemory {
  readonly scripts: SharedArrayBuffer;
  readonly runningScripts: SharedArrayBuffer;
}

export class Scripting implements Scripts {
  readonly #cache: ScriptCache;
  readonly #running: RunningScripts;
  readonly #budget: ByteBudget;
  readonly #log: (level: number, text: string) => void;
  #run: ScriptRun | undefined;
  readonly #compiled = new Map<string, Compiled>();

  /** `log` gets the level, from 0 to 3, and the text of redis.log. */
  constructor(
    { scripts, runningScripts }: ScriptingMemory,
    thread: number,
    budget: ByteBudget,
    log: (level: number, text: string) => void,
  ) {
    this.#cache = new ScriptCache(scripts, thread);
    this.#running = new RunningScripts(runningScripts, thread);
    this.#budget = budget;
    this.#log = log;
  }

  run(context: CommandContext, { isSha, isReadOnly }: ScriptForm): void | Failure {
    const named = argument(context, 1);
    if (isSha && named.end - named.start !== SHA_LENGTH) return NO_SCRIPT;
    const keyCount = readNumber(argument(context, 2));
    if (keyCount === undefined) return NOT_AN_INTEGER;
    if (keyCount > context.count - FIRST_KEY) return TOO_MANY_KEYS;
    if (keyCount < 0) return NEGATIVE_KEYS;
    const sha = isSha ? named.toWord() : sha1Of(sliceOf(named));
    const source = isSha ? undefined : named;
    const found = this.#guarded(() => this.#find(sha, source, context.nowMs));
    if (found instanceof Failure) return found;
    const { declaration } = found;
    if (isReadOnly && declaration.hasFlags && !declaration.writesNothing) return READ_ONLY_COMMAND;
    const reads = isReadOnly || declaration.writesNothing;
    return this.#runSteps(context, found, keyCount, { source, isReadOnly: reads });
  }

  load(source: Bytes, nowMs: number): string | Failure {
    const text = copyOf(source);
    const sha = sha1Of(text);
    const compiled = this.#guarded(() => this.#compiled.get(sha) ?? this.#compile(sha, text));
    if (compiled instanceof Failure) return compiled;
    const record = this.#cache.add(sha, text, true, toSeconds(nowMs));
    if (record === NO_RECORD) return FULL_CACHE;
    this.#seen(compiled, record);
    this.#dropIfLarge();
    return sha;
  }

  exist(shas: readonly string[]): boolean[] {
    return this.#cache.exist(shas);
  }

  stats(): { readonly count: number; readonly bytes: number } {
    return this.#cache.stats();
  }

  clear(): void {
    this.#cache.clear();
    this.#drop();
  }

  kill(): "killed" | "have written" | "none" {
    return this.#running.kill();
  }

  /** Returns the compiled script. `source` is undefined if the client has only its SHA-1. */
  #find(sha: string, source: Bytes | undefined, nowMs: number): Compiled | Failure {
    const known = this.#compiled.get(sha);
    const nowSeconds = toSeconds(nowMs);
    if (known?.generation === this.#cache.generation) {
      if (known.record !== NO_RECORD) {
        this.#cache.used(known.record, nowSeconds);
        return known;
      }
      if (source !== undefined) return known;
    }
    const shared = source === undefined ? this.#cache.find(sha) : undefined;
    const text = source === undefined ? shared?.source : copyOf(source);
    if (text === undefined) return NO_SCRIPT;
    const compiled = known ?? this.#compile(sha, text);
    if (compiled instanceof Failure) return compiled;
    return this.#seen(compiled, shared?.record ?? this.#cache.add(sha, text, false, nowSeconds));
  }

  #seen(compiled: Compiled, record: number): Compiled {
    compiled.record = record;
    compiled.generation = this.#cache.generation;
    return compiled;
  }

  #compile(sha: string, source: Buffer): Compiled | Failure {
    const declaration = readShebang(source);
    if (declaration instanceof Failure) return declaration;
    if (this.#compiled.size >= COMPILED_MAX) this.#drop();
    const number = this.#started().interpreter.compile(source.subarray(declaration.lineBytes));
    if (typeof number === "string")
      return new Failure(`ERR Error compiling script (new function): ${number}`);
    const compiled = { sha, number, declaration, record: NO_RECORD, generation: -1 };
    const script: Compiled = { ...compiled, usesOtherKeys: false };
    this.#compiled.set(sha, script);
    return script;
  }

  /** Runs the script in one step, and once more with all shards locked if it asks for that. */
  #runSteps(
    context: CommandContext,
    script: Compiled,
    keyCount: number,
    { source, isReadOnly }: { source: Bytes | undefined; isReadOnly: boolean },
  ): void | Failure {
    const { cache } = context;
    const isInside = cache.isInStep;
    let isExclusive = keyCount === 0 || script.usesOtherKeys;
    let current = script;
    for (;;) {
      const options = { isReadOnly, mayRestart: !isExclusive && !isInside };
      const work = () => {
        // Other threads may have held the shards since the time was read. EXEC has read it again.
        if (!isInside) context.nowMs = cache.clock.now();
        return this.#guarded(() => this.#runOnce(context, current, keyCount, options));
      };
      const outcome = isInside
        ? work()
        : inStep(cache, isExclusive ? undefined : keysOf(context, keyCount), work);
      if (!(outcome instanceof StartAgain)) return outcome;
      const { sha } = script;
      const again = this.#guarded(() => this.#find(sha, source, context.nowMs));
      if (again instanceof Failure) return again;
      again.usesOtherKeys = true;
      current = again;
      isExclusive = true;
    }
  }

  #runOnce(
    context: CommandContext,
    script: Compiled,
    keyCount: number,
    options: RunOptions,
  ): void | StartAgain {
    const run = this.#started();
    const { interpreter } = run;
    const { reply } = context;
    const mark = reply.out.end;
    try {
      run.run(context, context.settings.scriptTimeoutMs, options, () =>
        interpreter.run(script.number, context, keyCount, script.sha, () => run.version),
      );
    } catch (error) {
      reply.out.end = mark;
      if (error instanceof StartAgain) {
        this.#drop();
        return error;
      }
      // The script has run: it must not run again for its reply.
      if (!(error instanceof NoRoomError)) throw error;
      this.#drop();
      reply.error(NO_ROOM);
    }
    if (run.usesOtherKeys) script.usesOtherKeys = true;
    this.#dropIfLarge();
  }

  /** Calls the interpreter. Drops it after an exception, and returns those that a client should see as failures. */
  #guarded<T>(work: () => T): T | Failure {
    try {
      return work();
    } catch (error) {
      this.#drop();
      if (error instanceof StopScript) return new Failure(error.message);
      const failure = interpreterFailure(error);
      if (failure === undefined) throw error;
      return new Failure(`ERR Error running script: ${failure}`);
    }
  }

  #started(): ScriptRun {
    return (this.#run ??= new ScriptRun(this.#running, this.#budget, this.#log));
  }

  /** Drops an interpreter whose memory is large: it never gets smaller. */
  #dropIfLarge(): void {
    if ((this.#run?.interpreter.lua.heapBytes ?? 0) > FREE_BYTES) this.#drop();
  }

  /** Drops the interpreter and its scripts. */
  #drop(): void {
    const run = this.#run;
    this.#run = undefined;
    this.#compiled.clear();
    run?.release();
  }
}

/** Runs `work` as one step over these keys, or over all keys. */
function inStep<T>(cache: Cache, keys: readonly Bytes[] | undefined, work: () => T): T {
  return keys === undefined ? cache.exclusively(work) : cache.atomically(keys, work);
}

function keysOf({ args }: CommandContext, keyCount: number): readonly Bytes[] {
  return args.slice(FIRST_KEY, FIRST_KEY + keyCount);
}

function sliceOf({ bytes, start, end }: Bytes): Buffer {
  return bytes.subarray(start, end);
}

function copyOf(source: Bytes): Buffer {
  return Buffer.from(sliceOf(source));
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
