// Listeners of the live stats that do not read.

import { expect, test } from "bun:test";

import { StatsEvents } from "../../../src/http/events.ts";

/** Events of 100 KB: 40 of them fill the buffers of the kernel. */
function someEvents(): StatsEvents {
  const stats = { padding: "x".repeat(100_000) };
  return new StatsEvents({ mark() {}, stats: () => stats }, { count: 0, table: () => ({}) });
}

test("a stream that nobody reads ends after 30 missed events in a row", async () => {
  const events = someEvents();
  const response = events.subscribe();
  // Four wait in the queue of the stream.
  for (let n = 0; n < 4 + 29; n++) events.publish();
  expect(events.listeners).toBe(1);
  events.publish();
  expect(events.listeners).toBe(0);
  const text = await response.text();
  expect(text.split("event: figures\n").length - 1).toBe(4);
  events.end();
});

test("a listener that reads one event of 30 keeps its stream", async () => {
  const events = someEvents();
  const reader = events.subscribe().body?.getReader();
  for (let n = 0; n < 100; n++) {
    if (n % 30 === 29) await reader?.read();
    events.publish();
  }
  expect(events.listeners).toBe(1);
  events.end();
});

test("a client that does not read its socket loses its stream", async () => {
  const events = someEvents();
  using server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: () => events.subscribe(),
  });
  const socket = await Bun.connect({
    ...{ hostname: "127.0.0.1", port: server.port ?? 0 },
    socket: { data() {} },
  });
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
  while (events.listeners === 0) await turn();
  let published = 0;
  for (; events.listeners > 0; published++) {
    events.publish();
    await turn();
  }
  // 30 missed ones, and at most 20 MB in the buffers of both sides.
  expect(published).toBeLessThan(30 + 200);
  socket.terminate();
  events.end();
});
