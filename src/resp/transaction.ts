// The queued commands of a transaction, between MULTI and EXEC.
// Typed arrays: indexes are in range by construction.
//
// A chunk holds commands one after the other: the command's number, its argument count and the length
// of each argument as words, and then the arguments. Before each argument there is room for the prefix
// of a key (KEY_PREFIX_BYTES). The chunks count as bytes in flight.

import { freeBytes } from "../cache/cache.ts";
import { KEY_PREFIX_BYTES } from "../cache/databases.ts";
import type { Argument, ParsedCommand } from "./protocol/parser.ts";

/** Sizes of the first chunks, and of all later ones. */
const CHUNK_BYTES = [1024, 16 * 1024, 64 * 1024] as const;
const CHUNK_BYTES_MAX = 64 * 1024;
/** First chunks of ended transactions, for the next ones of this thread. They belong to the cost of a worker. */
const SPARE_CHUNKS_MAX = 64;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const HEAD_WORDS = 2;

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
  readonly #chunks: Chunk[] = [];
  readonly #claim: (fromBytes: number, toBytes: number) => boolean;
  /** Bytes of the chunks, which are claimed. */
  #bytes = 0;

  /** `claim` changes a claim on memory, and returns false if there is no room. */
  constructor(claim: (fromBytes: number, toBytes: number) => boolean) {
    this.#claim = claim;
  }

  /**
   * Queues a command. Returns "limit" if the commands would take more than `limitBytes`, and "room" if
   * there is no room; the transaction is then broken, and its memory is free. O(bytes).
   */
  append(
    command: number,
    args: readonly Argument[],
    count: number,
    limitBytes: number,
  ): "limit" | "room" | undefined {
    let size = (HEAD_WORDS + count) * WORD;
    for (let n = 0; n < count; n++) size += KEY_PREFIX_BYTES + args[n]!.end - args[n]!.start;
    size = (size + WORD - 1) & -WORD;
    let chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk === undefined || chunk.end + size > chunk.bytes.length) {
      const chunkBytes = Math.max(size, CHUNK_BYTES[this.#chunks.length] ?? CHUNK_BYTES_MAX);
      const excess = this.#bytes + chunkBytes > limitBytes ? "limit" : "room";
      if (excess === "limit" || !this.#claim(this.#bytes, this.#bytes + chunkBytes)) {
        this.break();
        return excess;
      }
      this.#bytes += chunkBytes;
      chunk =
        (chunkBytes === CHUNK_BYTES[0] ? spareChunks.pop() : undefined) ?? new Chunk(chunkBytes);
      this.#chunks.push(chunk);
    }
    const { words, bytes } = chunk;
    let word = chunk.end / WORD;
    words[word++] = command;
    words[word++] = count;
    let at = (word + count) * WORD;
    for (let n = 0; n < count; n++) {
      const arg = args[n]!;
      words[word++] = arg.end - arg.start;
      at += KEY_PREFIX_BYTES;
      at += arg.bytes.copy(bytes, at, arg.start, arg.end);
    }
    chunk.end += size;
    this.count++;
    return undefined;
  }

  /**
   * Calls `visit` with the number of each command in order, after its arguments are in `into`, until
   * `visit` returns false. O(bytes).
   */
  forEach(into: ParsedCommand, visit: (command: number) => boolean): void {
    for (const { bytes, words, end } of this.#chunks) {
      for (let at = 0; at < end;) {
        let word = at / WORD;
        const command = words[word++]!;
        const count = words[word++]!;
        at = (word + count) * WORD;
        for (let n = 0; n < count; n++) {
          const arg = into.args[n] ?? into.argument(n);
          arg.bytes = bytes;
          arg.start = at += KEY_PREFIX_BYTES;
          arg.end = at += words[word++]!;
          arg.shard = -1;
        }
        into.count = count;
        at = (at + WORD - 1) & -WORD;
        if (!visit(command)) return;
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
    this.#claim(this.#bytes, 0);
    this.#bytes = 0;
    this.count = 0;
  }
}
