// The responses of the HTTP API: JSON with a status of "OK" or "ERROR".
//
// Typed arrays: indexes are in range by construction.

import { isAscii, isUtf8 } from "node:buffer";

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { COMMON_HEADERS, JSON_HEADERS } from "../headers.ts";
import type { LargeResponses, MaybeLater, Remake } from "../large-responses.ts";

// Made once: measured in one run, a Response from a Headers object costs 215 ns, with a
// status beside it 275 ns, from a plain object 480 ns, Response.json 285 ns.
const OK_INIT = { headers: new Headers(JSON_HEADERS) };
const UNTYPED_HEADERS = new Headers(COMMON_HEADERS);
const STORED_INIT = { headers: UNTYPED_HEADERS };
const NOT_FOUND_INIT = { status: 404, headers: UNTYPED_HEADERS };

// A response that is always the same is a Blob that carries its type: 130 ns, and a put
// costs 1.88 × a static route instead of 2.07. The space keeps Bun from adding a charset,
// which the other responses do not have; before a header's value HTTP ignores it.
const JSON_TYPE = { type: " application/json" };
const STORED = new Blob(['{"status":"OK"}'], JSON_TYPE);
const KEY_NOT_FOUND = new Blob(['{"status":"ERROR","message":"Key not found."}'], JSON_TYPE);

/** Returns 200 with these members after the status. */
export function ok(members: Readonly<Record<string, unknown>> = {}): Response {
  return jsonOf({ status: "OK", ...members });
}

/** Returns 200 with this value as JSON. */
export function jsonOf(value: object): Response {
  return jsonTextOf(JSON.stringify(value));
}

/** Returns 200 with this text, which is JSON. */
export function jsonTextOf(text: string): Response {
  return new Response(text, OK_INIT);
}

/** Returns 200 with this value as JSON, which may be a large response. */
export function longJsonOf(
  value: object,
  req: Request,
  large: LargeResponses,
  remake: Remake,
): MaybeLater {
  return large.sendText(req, JSON.stringify(value), OK_INIT, remake);
}

/** Returns 200 with `{"status":"OK"}`. */
export function stored(): Response {
  return new Response(STORED, STORED_INIT);
}

/** Returns 404: there is no entry with this key. */
export function keyNotFound(): Response {
  return new Response(KEY_NOT_FOUND, NOT_FOUND_INIT);
}

/** Returns 404 with these members after the message. */
export function notFoundWith(members: Readonly<Record<string, unknown>>): Response {
  const body = JSON.stringify({ status: "ERROR", message: "Key not found.", ...members });
  return new Response(body, { status: 404, headers: OK_INIT.headers });
}

const FOUND_START = Buffer.from('{"status":"OK","key":"');
const VALUE_START = Buffer.from('","value":"');
const FOUND_END = Buffer.from('"}');
const VALUES_START = Buffer.from('{"status":"OK","values":[');
const VALUES_END = Buffer.from("]}");
const QUOTE = Buffer.from('"');
const COMMA = Buffer.from(",");

/**
 * 200 with a key and its value, put together from bytes: the cache writes the value into the bytes of
 * the response. Measured in one run, 10-byte key and 100-byte value: 450 ns; through two strings and
 * JSON.stringify 530 ns. One object for all requests: no `await` may lie between `begin` and `end`.
 */
export class FoundResponse {
  readonly #large: LargeResponses;
  #body = bufferStartingWith(FOUND_START);
  #keyEnd = 0;

  constructor(large: LargeResponses) {
    this.#large = large;
  }

  /** Returns the buffer to which the cache appends the value. */
  begin(key: Bytes): ByteBuffer {
    const body = this.#body;
    body.end = FOUND_START.length;
    body.appendRun(key.bytes, key.start, key.end);
    this.#keyEnd = body.end;
    body.appendRun(VALUE_START, 0, VALUE_START.length);
    return body;
  }

  /** `remake`: makes the response again if it has to wait for room. `more`: members after the value. */
  end(req: Request, remake: Remake, more?: Readonly<Record<string, unknown>>): MaybeLater {
    const body = this.#body;
    const keyStart = FOUND_START.length;
    const keyEnd = this.#keyEnd;
    const valueStart = keyEnd + VALUE_START.length;
    if (isPlain(body.bytes, keyStart, keyEnd) && isPlain(body.bytes, valueStart, body.end)) {
      body.appendRun(FOUND_END, 0, FOUND_END.length);
      if (more !== undefined) replaceEnd(body, more);
      if (this.#large.isSmall(body.end)) {
        return new Response(body.bytes.subarray(0, body.end), OK_INIT);
      }
      this.#body = bufferStartingWith(FOUND_START);
      return this.#large.send(req, body.bytes.subarray(0, body.end), OK_INIT, remake);
    }
    const key = body.bytes.toString("utf8", keyStart, keyEnd);
    const value = valueOf(body.bytes, valueStart, body.end);
    const members = typeof value === "string" ? { key, value } : { key, ...value };
    return longJsonOf({ status: "OK", ...members, ...more }, req, this.#large, remake);
  }
}

/** Appends members to the JSON object that ends the buffer. */
function replaceEnd(body: ByteBuffer, more: Readonly<Record<string, unknown>>): void {
  const text = JSON.stringify(more);
  if (text === "{}") return;
  body.end--;
  body.appendBytes(Buffer.from(`,${text.slice(1)}`));
}

/** A larger buffer is not kept for the next response. */
const KEPT_BYTES_MAX = 2 ** 18;

function bufferStartingWith(bytes: Buffer): ByteBuffer {
  const buffer = new ByteBuffer();
  buffer.appendBytes(bytes);
  return buffer;
}

/** 200 with the values of several keys, put together from bytes in the same way. */
export class ValuesResponse {
  readonly #large: LargeResponses;
  #body = bufferStartingWith(VALUES_START);
  #isFirst = true;
  #valueStart = 0;

  constructor(large: LargeResponses) {
    this.#large = large;
  }

  begin(): void {
    if (this.#body.bytes.length > KEPT_BYTES_MAX) this.#body = bufferStartingWith(VALUES_START);
    this.#body.end = VALUES_START.length;
    this.#isFirst = true;
  }

  /** Bytes since `begin`. */
  get length(): number {
    return this.#body.end;
  }

  /** Returns the buffer to which the cache appends the next value. */
  beginValue(): ByteBuffer {
    const body = this.#body;
    if (!this.#isFirst) body.appendRun(COMMA, 0, 1);
    this.#isFirst = false;
    body.appendRun(QUOTE, 0, 1);
    this.#valueStart = body.end;
    return body;
  }

  /** `isFound`: whether a value has been appended. */
  endValue(isFound: boolean): void {
    const body = this.#body;
    const start = this.#valueStart;
    if (isFound && isPlain(body.bytes, start, body.end)) {
      body.appendRun(QUOTE, 0, 1);
      return;
    }
    const text = JSON.stringify(isFound ? valueOf(body.bytes, start, body.end) : null);
    body.end = start - 1;
    body.appendBytes(Buffer.from(text));
  }

  /** `remake`: makes the response again if it has to wait for room. */
  end(req: Request, remake: Remake): MaybeLater {
    const body = this.#body;
    body.appendRun(VALUES_END, 0, VALUES_END.length);
    if (this.#large.isSmall(body.end)) {
      return new Response(body.bytes.subarray(0, body.end), OK_INIT);
    }
    this.#body = bufferStartingWith(VALUES_START);
    return this.#large.send(req, body.bytes.subarray(0, body.end), OK_INIT, remake);
  }
}

/** A value that is not text in UTF-8, in base64. */
export interface EncodedValue {
  readonly value: string;
  readonly encoding: "base64";
}

/**
 * Returns a value as JSON can hold it: text if its bytes are UTF-8. The decoder writes U+FFFD for bytes
 * that are not, so the bytes are checked only where the text has one. Measured in one run, the fastest
 * of 100 bytes of ASCII: decoding 58 ns, and the search for U+FFFD 60 ns, and isUtf8 each time 101 ns.
 */
export function valueOf(bytes: Buffer, start: number, end: number): string | EncodedValue {
  const text = bytes.toString("utf8", start, end);
  if (!text.includes("\ufffd") || isUtf8(bytes.subarray(start, end))) return text;
  return { value: bytes.toString("base64", start, end), encoding: "base64" };
}

/** From this length on the runtime's functions are faster than a loop: 10,000 bytes take 1.7 µs instead of 10. */
const LOOP_BYTES_MAX = 512;

/** Whether JSON needs no escapes for these bytes: ASCII without quotes, backslashes and controls. O(end - start). */
function isPlain(bytes: Buffer<ArrayBuffer>, start: number, end: number): boolean {
  if (end - start <= LOOP_BYTES_MAX) return isShortPlain(bytes, start, end);
  if (!isAscii(bytes.subarray(start, end))) return false;
  return JSON.stringify(bytes.toString("latin1", start, end)).length === end - start + 2;
}

/** The memory of the last buffer in words. */
let words = new DataView(new ArrayBuffer(0));

/**
 * Four bytes at a time, by Mycroft's test for a byte below n (H. S. Warren, "Hacker's Delight", section 6-1).
 * Measured in one run: 100 bytes take 0.5 × the time of a loop over bytes.
 */
function isShortPlain({ buffer, byteOffset }: Buffer<ArrayBuffer>, start: number, end: number) {
  if (words.buffer !== buffer) words = new DataView(buffer);
  const last = byteOffset + end;
  let special = 0;
  let at = byteOffset + start;
  for (; at + 4 <= last; at += 4) special |= specialIn(words.getInt32(at, true));
  for (; at < last; at++) special |= specialIn(words.getUint8(at) | 0x20202000);
  return (special & 0x80808080) === 0;
}

/** Returns a word with a high bit set if one of the four bytes is no ASCII, a control, a quote or a backslash. */
function specialIn(word: number): number {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  return (
    word |
    (((word - 0x20202020) | 0) & ~word) |
    (((quotes - 0x01010101) | 0) & ~quotes) |
    (((backslashes - 0x01010101) | 0) & ~backslashes)
  );
}
