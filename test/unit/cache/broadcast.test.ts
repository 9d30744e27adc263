// Laws of a broadcast: each listener sees the records of each thread in their order and whole, or is told
// that it lost some.

import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";

import {
  allocateBroadcast,
  Broadcast,
  type BroadcastRecord,
} from "../../../src/cache/broadcast.ts";
import { ByteBuffer } from "../../../src/cache/bytes.ts";
import { random } from "../../lib/random.ts";
import { until } from "../../lib/until.ts";

const RING_BYTES = 4096;

/** Collects what a listener is shown, as "kind number first second". */
function listenTo(broadcast: Broadcast): { seen: string[]; lost: () => number; stop: () => void } {
  const seen: string[] = [];
  let lost = 0;
  const stop = broadcast.listen({
    news: () => {},
    read: ({ kind, number, first, second }: BroadcastRecord) => {
      seen.push(`${kind} ${number} ${text(first)} ${text(second)}`);
    },
    lost: () => lost++,
  });
  return { seen, lost: () => lost, stop };
}

function text({ bytes, start, end }: BroadcastRecord["first"]): string {
  return bytes.toString("utf8", start, end);
}

function threads(count: number, ringBytes = RING_BYTES): Broadcast[] {
  const memory = allocateBroadcast(count, ringBytes);
  return Array.from({ length: count }, (_, thread) => new Broadcast(memory, thread));
}

const [a, b] = [ByteBuffer.ofText("channel"), ByteBuffer.ofText("message")];

test("each listener sees the records of each thread in their order", () => {
  const all = threads(3);
  const listeners = all.map(listenTo);
  for (const [thread, broadcast] of all.entries()) {
    for (let n = 0; n < 10; n++) broadcast.write(thread, n, a, b);
  }
  const wanted = [0, 1, 2].flatMap((thread) =>
    Array.from({ length: 10 }, (_, n) => `${thread} ${n} channel message`),
  );
  for (const [thread, broadcast] of all.entries()) {
    expect(broadcast.hasNews).toBe(true);
    broadcast.drain();
    expect(broadcast.hasNews).toBe(false);
    expect(listeners[thread]?.seen).toEqual(wanted);
  }
});

test("records of random sizes wrap around whole; a writer that asks for room loses none", () => {
  const { below } = random();
  const [writer, reader] = threads(2) as [Broadcast, Broadcast];
  const { seen, lost } = listenTo(reader);
  const wanted: string[] = [];
  for (let n = 0; n < 20_000; n++) {
    const first = "f".repeat(below(40));
    const second = String.fromCharCode(97 + (n % 26)).repeat(below(below(10) === 0 ? 1900 : 60));
    if (!writer.hasRoom(first.length + second.length)) {
      reader.drain();
      expect(writer.hasRoom(first.length + second.length)).toBe(true);
    }
    writer.write(7, n, ByteBuffer.ofText(first), ByteBuffer.ofText(second));
    wanted.push(`7 ${n} ${first} ${second}`);
  }
  reader.drain();
  expect(lost()).toBe(0);
  expect(seen).toEqual(wanted);
});

test("a listener that is too slow is told once, and continues with the next record", () => {
  const [writer, reader] = threads(2) as [Broadcast, Broadcast];
  const { seen, lost } = listenTo(reader);
  for (let n = 0; n < 1000; n++) writer.write(1, n, a, b);
  reader.drain();
  expect([lost(), seen]).toEqual([1, []]);
  writer.write(1, 1000, a);
  reader.drain();
  expect([lost(), seen]).toEqual([1, ["1 1000 channel "]]);
});

test("only threads that listen keep room, and a thread that has ended does not", () => {
  const [writer, reader] = threads(2) as [Broadcast, Broadcast];
  const fill = () => {
    let count = 0;
    for (; count < 1000 && writer.hasRoom(100); count++)
      writer.write(1, 0, ByteBuffer.ofText("x".repeat(100)));
    return count;
  };
  expect(fill()).toBe(1000);
  const { stop } = listenTo(reader);
  expect(fill()).toBeLessThan(40);
  stop();
  expect(fill()).toBe(1000);
  listenTo(reader);
  expect(fill()).toBeLessThan(40);
  writer.recoverThread(1);
  expect(fill()).toBe(1000);
});

test("the largest record fits at any position", () => {
  const [writer, reader] = threads(2) as [Broadcast, Broadcast];
  const { seen, lost } = listenTo(reader);
  const largest = ByteBuffer.ofText("x".repeat(writer.maxBytes));
  for (let n = 0; n < 100; n++) {
    if (!writer.hasRoom(n)) reader.drain();
    writer.write(1, n, ByteBuffer.ofText("y".repeat(n)));
    reader.drain();
    expect(writer.hasRoom(writer.maxBytes)).toBe(true);
    writer.write(2, n, largest);
    reader.drain();
  }
  expect([seen.length, lost()]).toEqual([200, 0]);
});

test("a listener of another thread is woken, and sees each record once", async () => {
  const memory = allocateBroadcast(2, 2 ** 16);
  const own = new Broadcast(memory, 0);
  const echo = new Worker(new URL("./broadcast-echo.ts", import.meta.url), { workerData: memory });
  try {
    await new Promise((resolve) => echo.once("message", resolve));
    const seen: number[] = [];
    own.listen({
      news: () => queueMicrotask(() => own.drain()),
      read: ({ number }) => void seen.push(number),
      lost: () => void seen.push(-1),
    });
    for (let n = 0; n < 300; n++) {
      own.write(1, n, a);
      own.wake(1);
      if (n % 7 === 0)
        await until("the echo", () => seen.filter((number) => number === n).length === 2);
    }
    await until("all echoes", () => seen.length === 600);
    expect(seen.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 600 }, (_, n) => n >> 1));
  } finally {
    await echo.terminate();
  }
});
