// The queued commands of a transaction, between MULTI and EXEC.
// Typed arrays: indexes are in range by construction.
//
// A chunk holds commands one after the other: as words the command's number, its argument count, and the
// offset and length of each argument; then the bytes of the arguments. Before each argument there are
// KEY_PREFIX_BYTES bytes that may be overwritten. The chunks count as bytes in flight, except a first one
// of usual size, which belongs to the cost of a connection.

import { freeBytes } from "../cache/cache.ts";
import { KEY_PREFIX_BYTES } from "../cache/databases.ts";
import type { ByteBudget } from "../shared-memory/byte-budget.ts";
import type { Argument, ParsedCommand } from "./protocol/parser.ts";

/** Sizes of the first chunks, and of all later ones. */
const CHUNK_BYTES = [1024, 16 * 1024, 64 * 1024] as const;
const CHUNK_BYTES_MAX = 64 * 1024;
/** First chunks of ended transactions, for the next ones of this thread. They belong to the cost of a worker. */
const SPARE_CHUNKS_MAX = 64;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const HEAD_WORDS = 2;
const ARGUMENT_WORDS = 2;

class Chunk {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  end = 0;

  constructor(size: number) {
    const memory = new ArrayBuffer(size);
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
  }
}

const spareChunks: Chunk[] = [];

export class Transaction {
  /** Number of queued commands. */
  count = 0;
  /** Whether a command was rejected, so that EXEC must fail. */
  isBroken = false;
  /** Most bytes of the chunks. */
  readonly limitBytes: number;
  readonly #budget: ByteBudget;
  readonly #chunks: Chunk[] = [];
  /** Bytes of the chunks, and the part that is claimed. */
  #bytes = 0;
  #claimed = 0;
  /** Number of commands whose arguments are in the first entries of the pool of `forEach`. */
  #loaded = 0;

  constructor(budget: ByteBudget, limitBytes: number) {
    this.#budget = budget;
    this.limitBytes = limitBytes;
  }

  /**
   * Queues a command. `isSplit`: its arguments do not lie in one buffer as the protocol has them. Returns
   * "limit" if the commands would take more than `limitBytes`, and "room" if there is no room; the
   * transaction is then broken, and its memory is free. O(bytes).
   */
  append(
    command: number,
    args: readonly Argument[],
    count: number,
    isSplit: boolean,
  ): "limit" | "room" | undefined {
    let bytesOfArguments = args[count - 1]!.end - args[0]!.start + KEY_PREFIX_BYTES;
    if (isSplit) {
      bytesOfArguments = 0;
      for (let n = 0; n < count; n++)
        bytesOfArguments += KEY_PREFIX_BYTES + args[n]!.end - args[n]!.start;
    }
    const headBytes = (HEAD_WORDS + count * ARGUMENT_WORDS) * WORD;
    const size = (headBytes + bytesOfArguments + WORD - 1) & -WORD;
    let chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk === undefined || chunk.end + size > chunk.bytes.length) {
      const added = this.#addChunk(size);
      if (typeof added === "string") return added;
      chunk = added;
    }
    const { words, bytes } = chunk;
    let word = chunk.end / WORD;
    words[word++] = command;
    words[word++] = count;
    let at = chunk.end + headBytes;
    if (!isSplit) {
      const start = args[0]!.start - KEY_PREFIX_BYTES;
      args[0]!.bytes.copy(bytes, at, start, args[count - 1]!.end);
      at -= start;
    }
    for (let n = 0; n < count; n++) {
      const arg = args[n]!;
      const length = arg.end - arg.start;
      if (isSplit) {
        at += KEY_PREFIX_BYTES;
        arg.bytes.copy(bytes, at, arg.start, arg.end);
      }
      words[word++] = isSplit ? at : at + arg.start;
      words[word++] = length;
      if (isSplit) at += length;
    }
    chunk.end += size;
    this.count++;
    return undefined;
  }

  #addChunk(size: number): Chunk | "limit" | "room" {
    const chunkBytes = Math.max(size, CHUNK_BYTES[this.#chunks.length] ?? CHUNK_BYTES_MAX);
    const isSmall = chunkBytes === CHUNK_BYTES[0];
    const excess = this.#bytes + chunkBytes > this.limitBytes ? "limit" : "room";
    const claimed = this.#claimed + (isSmall ? 0 : chunkBytes);
    if (excess === "limit" || !(isSmall || this.#budget.tryResize(this.#claimed, claimed))) {
      this.break();
      return excess;
    }
    this.#bytes += chunkBytes;
    this.#claimed = claimed;
    const chunk = (isSmall ? spareChunks.pop() : undefined) ?? new Chunk(chunkBytes);
    this.#chunks.push(chunk);
    return chunk;
  }

  /** Forgets what earlier calls of `forEach` have put into the pool. */
  unload(): void {
    this.#loaded = 0;
  }

  /**
   * Calls `visit` with the number of each command in order, and with the command, until `visit` returns
   * false. The first commands stay in the pool, all others take turns in its last entry. O(bytes).
   */
  forEach(
    pool: readonly ParsedCommand[],
    visit: (number: number, command: ParsedCommand) => boolean,
  ): void {
    let n = 0;
    for (const chunk of this.#chunks) {
      for (let at = 0; at < chunk.end; n++) {
        const command = pool[Math.min(n, pool.length - 1)]!;
        if (n >= this.#loaded) {
          load(chunk, at, command);
          if (n < pool.length - 1) this.#loaded++;
        }
        at = command.end;
        if (!visit(command.start, command)) return;
      }
    }
  }

  /** Drops the commands, so that EXEC must fail. */
  break(): void {
    this.isBroken = true;
    this.release();
  }

  /** Drops the commands and releases their memory. */
  release(): void {
    for (const chunk of this.#chunks) {
      chunk.end = 0;
      const isSpare = chunk.bytes.length === CHUNK_BYTES[0];
      if (!isSpare) freeBytes(chunk.bytes);
      else if (spareChunks.length < SPARE_CHUNKS_MAX) spareChunks.push(chunk);
    }
    this.#chunks.length = 0;
    if (this.#claimed > 0) this.#budget.resize(this.#claimed, 0);
    this.#bytes = this.#claimed = 0;
    this.count = this.#loaded = 0;
  }
}

/** Loads the arguments of the command at the offset. Its `start` is the command's number, its `end` the next offset. */
function load({ bytes, words }: Chunk, at: number, command: ParsedCommand): void {
  let word = at / WORD;
  command.start = words[word++]!;
  const count = (command.count = words[word++]!);
  let end = 0;
  for (let n = 0; n < count; n++) {
    const arg = command.args[n] ?? command.argument(n);
    arg.bytes = bytes;
    arg.start = words[word++]!;
    end = arg.end = arg.start + words[word++]!;
    arg.shard = -1;
  }
  command.end = (end + WORD - 1) & -WORD;
}
