// The first line of a script may declare flags: "#!lua flags=no-writes,allow-oom". As in Redis 7,
// src/eval.c (evalExtractShebangFlags).

import { Failure } from "../commands/failure.ts";
import { splitInline } from "../protocol/inline.ts";

export interface Declaration {
  /** Bytes of the first line, without its end. */
  readonly lineBytes: number;
  /** Whether the script has such a line. Without one it may write, but a command that only reads may run it. */
  readonly hasFlags: boolean;
  readonly writesNothing: boolean;
}

const NO_DECLARATION: Declaration = { lineBytes: 0, hasFlags: false, writesNothing: false };
const LINE_END = 10;
const FLAGS: ReadonlySet<string> = new Set([
  ...["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"],
  // Upstash's own, for which there is nothing to do here: @upstash/ratelimit sends it.
  "allow-key-locking",
]);

export function readShebang(source: Buffer): Declaration | Failure {
  if (source.toString("latin1", 0, 2) !== "#!") return NO_DECLARATION;
  const lineBytes = source.indexOf(LINE_END);
  if (lineBytes < 0) return new Failure("ERR Invalid script shebang");
  const words = wordsOf(source.subarray(0, lineBytes));
  const engine = words?.[0];
  if (words === undefined || engine === undefined)
    return new Failure("ERR Invalid engine in script shebang");
  if (engine !== "#!lua") return new Failure(`ERR Unexpected engine in script shebang: ${engine}`);
  let writesNothing = false;
  for (const word of words.slice(1)) {
    if (!word.startsWith("flags=")) return new Failure(`ERR Unknown lua shebang option: ${word}`);
    const flags = word.slice("flags=".length);
    for (const flag of flags === "" ? [] : flags.split(",")) {
      if (!FLAGS.has(flag)) return new Failure(`ERR Unexpected flag in script shebang: ${flag}`);
      writesNothing ||= flag === "no-writes";
    }
  }
  return { lineBytes, hasFlags: true, writesNothing };
}

function wordsOf(line: Buffer): string[] | undefined {
  return splitInline(line)?.map((word) => word.toString("latin1"));
}
