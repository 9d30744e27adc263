// A load on the Redis protocol or on memcached's, by one client for both, so that what
// speaks one can be held against what speaks the other: `bun wire-load.ts LOAD-AS-JSON`
// prints one line of JSON.
//
// Each connection sends `depth` commands in one write, or one for `depth` keys, and waits
// for all answers.
// A key's value begins with the key, so the answers to expect are known to the byte,
// and every byte is compared.

import type { Socket } from "bun";
import { build } from "hdr-histogram-js";

import type { LoadResult } from "./loads.ts";

export interface WireLoad {
  readonly protocol: "resp" | "memcached";
  /** "mget" asks for `depth` keys in one command; each counts as a request. */
  readonly operation: "get" | "set" | "mget";
  readonly port: number;
  /** A key is this prefix and a number below `keys`, padded with zeros to `digits`. */
  readonly prefix: string;
  readonly digits: number;
  readonly keys: number;
  /** Each key in its turn, and not at random. */
  readonly inOrder: boolean;
  readonly valueBytes: number;
  /** The lifetime that a set gives its entry. Without it, none. */
  readonly ttlSeconds?: number;
  readonly requests: number;
  readonly depth: number;
  readonly connections: number;
}

/** Part of a run in which the client itself is still being compiled: not in the latencies. */
const WARM_UP = 0.2;
const DIGITS = "#";

/** A text that is the same `depth` times, but for the number wherever "#" stands. */
interface Texts {
  readonly head?: string;
  readonly each: string;
  readonly tail?: string;
}

/** The bytes of such a text, and its numbers to be set. */
class Batch {
  readonly bytes: Buffer;
  readonly #headBytes: number;
  readonly #eachBytes: number;
  /** Offsets of the numbers in the first of the repeated parts. */
  readonly #places: number[] = [];
  readonly #digits: number;

  constructor({ head = "", each, tail = "" }: Texts, depth: number, digits: number) {
    const part = each.replaceAll(DIGITS, "0".repeat(digits));
    for (let at = each.indexOf(DIGITS); at >= 0; at = each.indexOf(DIGITS, at + 1)) {
      this.#places.push(at + this.#places.length * (digits - 1));
    }
    this.bytes = Buffer.from(head + part.repeat(depth) + tail, "latin1");
    this.#headBytes = head.length;
    this.#eachBytes = part.length;
    this.#digits = digits;
  }

  setNumber(index: number, number: number): void {
    for (const place of this.#places) {
      const start = this.#headBytes + index * this.#eachBytes + place;
      let rest = number;
      for (let at = start + this.#digits - 1; at >= start; at--) {
        this.bytes[at] = 48 + (rest % 10);
        rest = Math.floor(rest / 10);
      }
    }
  }
}

if (import.meta.main) {
  const load = JSON.parse(Bun.argv[2] ?? "{}") as WireLoad;
  console.log(JSON.stringify(await run(load)));
  process.exit(0);
}

/** Throws on an answer that is not to the byte what it should be, or if a connection ends. */
async function run(load: WireLoad): Promise<LoadResult> {
  const { depth, keys, digits, connections } = load;
  const { request, answer } = textsOf(load);
  const batches = Math.ceil(load.requests / depth);
  const histogram = build({ highestTrackableValue: 60_000_000_000 });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let begun = 0;
  let ended = 0;
  let nextKey = 0;

  const open = () => {
    const sending = new Batch(request, depth, digits);
    const expected = new Batch(answer, depth, digits);
    let sent = 0;
    let received = 0;
    let sentNanos = 0;
    const send = (socket: Socket) => {
      sent += socket.write(sent === 0 ? sending.bytes : sending.bytes.subarray(sent));
    };
    const sendNext = (socket: Socket) => {
      if (begun === batches) return;
      begun++;
      for (let index = 0; index < depth; index++) {
        const key = load.inOrder ? nextKey++ % keys : Math.floor(Math.random() * keys);
        sending.setNumber(index, key);
        expected.setNumber(index, key);
      }
      sent = 0;
      received = 0;
      sentNanos = Bun.nanoseconds();
      send(socket);
    };
    return Bun.connect({
      hostname: "127.0.0.1",
      port: load.port,
      socket: {
        open(socket) {
          socket.setNoDelay(true);
        },
        drain(socket) {
          if (sent > 0 && sent < sending.bytes.length) send(socket);
        },
        data(socket, chunk) {
          const end = received + chunk.length;
          if (
            end > expected.bytes.length ||
            expected.bytes.compare(chunk, 0, chunk.length, received, end) !== 0
          ) {
            reject(new Error(`answered ${JSON.stringify(chunk.toString("latin1"))}`));
            return;
          }
          received = end;
          if (received < expected.bytes.length) return;
          ended++;
          if (ended > batches * WARM_UP) histogram.recordValue(Bun.nanoseconds() - sentNanos);
          if (ended === batches) resolve();
          else sendNext(socket);
        },
        close: () => reject(new Error("the server closed a connection")),
      },
    }).then((socket) => () => sendNext(socket));
  };

  const starts = await Promise.all(Array.from({ length: connections }, open));
  const beganNanos = Bun.nanoseconds();
  for (const start of starts) start();
  await promise;
  const requests = batches * depth;
  const millisAt = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1e6;
  return {
    requests,
    requestsPerSecond: requests / ((Bun.nanoseconds() - beganNanos) / 1e9),
    p50: millisAt(50),
    p99: millisAt(99),
    p999: millisAt(99.9),
  };
}

function textsOf(load: WireLoad): { readonly request: Texts; readonly answer: Texts } {
  const { protocol, operation, prefix, digits, valueBytes, depth, ttlSeconds } = load;
  const key = `${prefix}${DIGITS}`;
  const keyBytes = prefix.length + digits;
  const value = `${key}${"v".repeat(valueBytes - keyBytes)}`;
  if (protocol === "memcached") {
    const found = `VALUE ${key} 0 ${valueBytes}\r\n${value}\r\n`;
    return {
      set: {
        request: { each: `set ${key} 0 ${ttlSeconds ?? 0} ${valueBytes}\r\n${value}\r\n` },
        answer: { each: "STORED\r\n" },
      },
      get: { request: { each: `get ${key}\r\n` }, answer: { each: `${found}END\r\n` } },
      mget: {
        request: { head: "get", each: ` ${key}`, tail: "\r\n" },
        answer: { each: found, tail: "END\r\n" },
      },
    }[operation];
  }
  const keyPart = `$${keyBytes}\r\n${key}\r\n`;
  const valuePart = `$${valueBytes}\r\n${value}\r\n`;
  const lifetime =
    ttlSeconds === undefined ? "" : `$2\r\nEX\r\n$${`${ttlSeconds}`.length}\r\n${ttlSeconds}\r\n`;
  const setWords = ttlSeconds === undefined ? 3 : 5;
  return {
    set: {
      request: { each: `*${setWords}\r\n$3\r\nSET\r\n${keyPart}${valuePart}${lifetime}` },
      answer: { each: "+OK\r\n" },
    },
    get: { request: { each: `*2\r\n$3\r\nGET\r\n${keyPart}` }, answer: { each: valuePart } },
    mget: {
      request: { head: `*${depth + 1}\r\n$4\r\nMGET\r\n`, each: keyPart },
      answer: { head: `*${depth}\r\n`, each: valuePart },
    },
  }[operation];
}
