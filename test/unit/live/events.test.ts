// Server-sent events: the parser returns the same events for every split of the stream.

import { describe, expect, test } from "bun:test";

import { EventParser, EventTooLong, type ServerEvent } from "../../../src/live/events.ts";

/** All kinds of line ends, comments, fields without a value, characters of one to four bytes. */
const STREAM = [
  '\ufeffevent: figures\ndata: {"a":1}\n\n',
  ": keep-alive\n\n",
  "event: figures\r\ndata: one\r\ndata:two\r\ndata:  three\r\n\r\n",
  "data: é漢😀\r\r",
  "id: 7\nretry: 10\nevent: named\ndata\n\n",
  "event: without data\n\n",
  "data: a:b: c\nunknown: x\n\r\n",
  "data: after\n\n",
  "data: never ended\n",
].join("");

const EVENTS: readonly ServerEvent[] = [
  { event: "figures", data: '{"a":1}' },
  { event: "figures", data: "one\ntwo\n three" },
  { event: "message", data: "é漢😀" },
  { event: "named", data: "" },
  { event: "message", data: "a:b: c" },
  { event: "message", data: "after" },
];

const BYTES = new TextEncoder().encode(STREAM);

describe("a stream of events", () => {
  test("is parsed in one piece", () => {
    expect(parse([BYTES])).toEqual([...EVENTS]);
  });

  test("is parsed the same when it is split in two at any byte", () => {
    for (let split = 0; split <= BYTES.length; split++) {
      const events = parse([BYTES.subarray(0, split), BYTES.subarray(split)]);
      expect([split, events]).toEqual([split, [...EVENTS]]);
    }
  });

  test("is parsed the same byte by byte, with empty chunks between the bytes", () => {
    const chunks = Array.from(BYTES, (byte) => [Uint8Array.of(byte), new Uint8Array()]).flat();
    expect(parse(chunks)).toEqual([...EVENTS]);
  });

  test("returns an event at the byte that ends it", () => {
    const parser = new EventParser();
    expect(parser.feed(new TextEncoder().encode("data: now\r\n\r"))).toEqual([
      { event: "message", data: "now" },
    ]);
  });

  test("throws for an event that never ends, in one line or in many", () => {
    for (const text of [
      "data: xxxxxxxxxxxxxxxxxxxxxxxxxxx",
      "data: xxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    ]) {
      const chunk = new TextEncoder().encode(text.repeat(2 ** 11));
      const parser = new EventParser();
      expect(() => {
        for (let sent = 0; sent < 2 ** 22; sent += chunk.length) parser.feed(chunk);
      }).toThrow(EventTooLong);
    }
  });
});

function parse(chunks: readonly Uint8Array[]): ServerEvent[] {
  const parser = new EventParser();
  return chunks.flatMap((chunk) => parser.feed(chunk));
}
