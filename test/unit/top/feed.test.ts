// The stream of stats: of a service that responds, of one that does not, and of one that comes
// back.

import { describe, expect, test } from "bun:test";

import { followStats, StatsUnavailable, readStats } from "../../../src/top/feed.ts";
import { Certificates } from "../../lib/certificates.ts";
import { eventOf, serveStats, sampleStats } from "../../lib/live-stats.ts";

describe("one connection", () => {
  test("yields the stats of each event, and throws when the connection ends", async () => {
    const sent = [1, 2, 3].map((entries) => sampleStats({ entries }));
    await using server = serveStats(`: hello\n\n${sent.map(eventOf).join("")}`);
    const feed = readStats(new URL(server.url));
    for (const stats of sent) expect(await feed.next()).toEqual({ value: stats, done: false });
    server.send(`event: other\ndata: x\n\n${eventOf(sampleStats({ entries: 4 }))}`);
    expect((await feed.next()).value).toMatchObject({ entries: 4 });
    server.hangUp();
    await expect(feed.next()).rejects.toThrow(new StatsUnavailable("connection closed"));
  });

  test("requests /events below the path of the service", async () => {
    await using server = serve((req) => {
      return pathOf(req) === "/behind/events" ? stream(eventOf(sampleStats())) : new Response("");
    });
    expect(await reasonOf(`${server.url}/behind/`)).toBe("stats arrived");
    expect(await reasonOf(server.url)).toBe("the response is no stream of events");
  });

  test("is closed when the service is silent", async () => {
    await using server = serveStats(": nothing\n\n");
    expect(await reasonOf(server.url, 10)).toBe("no data for 0.01 s");
  });

  const responses: readonly (readonly [string, () => Response, string])[] = [
    ["responds 404", () => new Response("no", { status: 404 }), "the response is HTTP 404"],
    ["sends a page", () => new Response("<html>"), "the response is no stream of events"],
    [
      "sends invalid JSON",
      () => stream("event: figures\ndata: {\n\n"),
      "the stats are of another version of ringcache",
    ],
    [
      "sends an event without an end",
      () => stream(`data: ${"x".repeat(2 ** 21)}`),
      "an event is too long",
    ],
  ];
  for (const [behaviour, respond, reason] of responses) {
    test(`reports a server that ${behaviour}`, async () => {
      await using server = serve(respond);
      expect(await reasonOf(server.url)).toBe(reason);
    });
  }

  test("reports a certificate that is not trusted as a response without stats", async () => {
    await using certificates = await Certificates.create();
    using server = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0, fetch: () => new Response("") },
      tls: {
        cert: Bun.file(certificates.certOf("first")),
        key: Bun.file(certificates.keyOf("first")),
      },
    });
    const message = "its certificate is self-signed: set NODE_EXTRA_CA_CERTS to the certificate";
    await expect(readStats(server.url).next()).rejects.toMatchObject({
      message,
      hasResponse: true,
    });
  });

  test("reports stats in which any field is missing or has another type", async () => {
    const whole = sampleStats();
    const damaged = [
      ...Object.keys(whole).map((name) => ({ ...whole, [name]: undefined })),
      ...Object.keys(whole).map((name) => ({ ...whole, [name]: [{}] })),
      { ...whole, entries: "1" },
      { ...whole, state: "serving\x1b[2J" },
      { ...whole, workers: [...whole.workers, null] },
      { ...whole, latencyMs: {} },
    ];
    await using server = serve((req) => {
      const stats = damaged[Number(pathOf(req).split("/")[1])];
      return stream(`event: figures\ndata: ${JSON.stringify(stats)}\n\n`);
    });
    for (const index of damaged.keys()) {
      const reason = await reasonOf(`${server.url}/${index}/`);
      expect([damaged[index], reason]).toEqual([
        damaged[index],
        "the stats are of another version of ringcache",
      ]);
    }
  });
});

test("followStats reconnects after a connection that ended, and after a refused one", async () => {
  await using server = serveStats(eventOf(sampleStats()));
  const waits: number[] = [];
  const feed = followStats(new URL(server.url), "", (failures) => {
    waits.push(failures);
    return 0;
  });
  for (let connection = 0; connection < 3; connection++) {
    expect((await feed.next()).value).toMatchObject({ state: "serving" });
    server.hangUp();
    expect((await feed.next()).value).toEqual(new StatsUnavailable("connection closed"));
  }
  await server[Symbol.asyncDispose]();
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await feed.next()).value).toEqual(new StatsUnavailable("connection refused"));
  }
  // The count starts again after each connection with stats.
  expect(waits).toEqual([1, 1, 1, 2, 3]);
});

/** Returns the reason why a service sends no stats. */
async function reasonOf(url: string, silenceMs?: number): Promise<string> {
  try {
    await readStats(new URL(url), "", silenceMs).next();
    return "stats arrived";
  } catch (error) {
    if (error instanceof StatsUnavailable) return error.message;
    throw error;
  }
}

function serve(respond: (req: Request) => Response) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: respond });
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) };
}

function stream(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
}

function pathOf(req: Request): string {
  return new URL(req.url).pathname;
}
