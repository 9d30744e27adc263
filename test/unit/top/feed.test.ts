// Figures from a service that answers, that does not, and that comes back.

import { describe, expect, test } from "bun:test";

import { followStats, NoAnswer, readStats } from "../../../src/top/feed.ts";
import { eventOf, serveFigures, someFigures } from "../../lib/live-figures.ts";

describe("one connection", () => {
  test("gives the figures as they come, and says when it ends", async () => {
    const sent = [1, 2, 3].map((entries) => someFigures({ entries }));
    await using server = serveFigures(`: hello\n\n${sent.map(eventOf).join("")}`);
    const feed = readStats(new URL(server.url));
    for (const stats of sent) expect(await feed.next()).toEqual({ value: stats, done: false });
    server.send(`event: other\ndata: x\n\n${eventOf(someFigures({ entries: 4 }))}`);
    expect((await feed.next()).value).toMatchObject({ entries: 4 });
    server.hangUp();
    await expect(feed.next()).rejects.toThrow(new NoAnswer("connection closed"));
  });

  test("is asked for below the path of the service", async () => {
    await using server = answering((req) => {
      return pathOf(req) === "/behind/events" ? stream(eventOf(someFigures())) : new Response("");
    });
    expect(await reasonOf(`${server.url}/behind/`)).toBe("there are figures");
    expect(await reasonOf(server.url)).toBe("it sends no events");
  });

  test("that is silent is given up", async () => {
    await using server = serveFigures(": nothing\n\n");
    expect(await reasonOf(server.url, 10)).toBe("silent for 0.01 s");
  });

  const answers: readonly (readonly [string, () => Response, string])[] = [
    ["does not know the path", () => new Response("no", { status: 404 }), "it says HTTP 404"],
    ["sends a page", () => new Response("<html>"), "it sends no events"],
    [
      "sends what is not JSON",
      () => stream("event: figures\ndata: {\n\n"),
      "figures of another version of ringcache",
    ],
    [
      "sends an event without an end",
      () => stream(`data: ${"x".repeat(2 ** 21)}`),
      "no events that end",
    ],
  ];
  for (const [what, answer, reason] of answers) {
    test(`to a server that ${what} says so`, async () => {
      await using server = answering(answer);
      expect(await reasonOf(server.url)).toBe(reason);
    });
  }

  test("to a server whose figures lack any field, or have one of another kind, says so", async () => {
    const whole = someFigures();
    const damaged = [
      ...Object.keys(whole).map((name) => ({ ...whole, [name]: undefined })),
      ...Object.keys(whole).map((name) => ({ ...whole, [name]: [{}] })),
      { ...whole, entries: "1" },
      { ...whole, state: "serving\x1b[2J" },
      { ...whole, workers: [...whole.workers, null] },
      { ...whole, latencyMs: {} },
    ];
    await using server = answering((req) => {
      const stats = damaged[Number(pathOf(req).split("/")[1])];
      return stream(`event: figures\ndata: ${JSON.stringify(stats)}\n\n`);
    });
    for (const index of damaged.keys()) {
      const reason = await reasonOf(`${server.url}/${index}/`);
      expect([damaged[index], reason]).toEqual([
        damaged[index],
        "figures of another version of ringcache",
      ]);
    }
  });
});

test("figures are followed over connections that end, and a service that is away", async () => {
  await using server = serveFigures(eventOf(someFigures()));
  const waits: number[] = [];
  const feed = followStats(new URL(server.url), "", (failures) => {
    waits.push(failures);
    return 0;
  });
  for (let connection = 0; connection < 3; connection++) {
    expect((await feed.next()).value).toMatchObject({ state: "serving" });
    server.hangUp();
    expect((await feed.next()).value).toEqual(new NoAnswer("connection closed"));
  }
  await server[Symbol.asyncDispose]();
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await feed.next()).value).toEqual(new NoAnswer("connection refused"));
  }
  // One failure after each connection, then one after the other.
  expect(waits).toEqual([1, 1, 1, 2, 3]);
});

/** Why a service has no figures. */
async function reasonOf(url: string, silenceMs?: number): Promise<string> {
  try {
    await readStats(new URL(url), "", silenceMs).next();
    return "there are figures";
  } catch (error) {
    if (error instanceof NoAnswer) return error.message;
    throw error;
  }
}

function answering(answer: (req: Request) => Response) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  return { url: server.url.origin, [Symbol.asyncDispose]: () => server.stop(true) };
}

function stream(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
}

function pathOf(req: Request): string {
  return new URL(req.url).pathname;
}
