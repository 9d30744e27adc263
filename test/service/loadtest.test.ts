// The load-test tool from outside, against the service and against servers that lie.

import type { Socket } from "bun";
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { serve } from "../lib/service.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

describe("against the service", () => {
  test("every request is sent and every answer is right", async () => {
    await using server = serve();
    const { code, report } = await loadtest(server.url, "-n", "3000", "-c", "20", "-g", "70");
    expect(code).toBe(0);
    expect(report).toMatchObject({ requests: 3000, error_count: 0, errors: {}, misses: 0 });
    expect(report.get_count / 3000).toBeCloseTo(0.7, 1);
    expect(report.hits).toBe(report.get_count);
    expect(report.latency_ms.p50).toBeGreaterThan(0);
    expect(report.latency_ms.max).toBeGreaterThanOrEqual(report.latency_ms.p999);
    const answer = await fetch(`${server.url}/stats`);
    expect(await answer.json()).toMatchObject({
      put_count: report.put_count,
      get_count: report.get_count,
    });
  });

  test("random lengths, one-letter keys and empty values are right too", async () => {
    await using server = serve();
    for (const options of [
      ["-random-len"],
      ["-klen", "1"],
      ["-vlen", "0"],
      ["-klen=256", "-vlen=256"],
    ]) {
      const { code, report } = await loadtest(server.url, "-n", "500", "-c", "5", ...options);
      expect([options, code, report.errors]).toEqual([options, 0, {}]);
    }
  });

  test("a service that asks for a token gets it", async () => {
    await using server = serve("--auth-token", "token");
    const { code } = await loadtest(server.url, "-n", "100", "--auth-token", "token");
    expect(code).toBe(0);
    const refused = await loadtest(server.url, "-n", "100");
    expect(refused).toMatchObject({ code: 1, report: { errors: { "status 401": 100 } } });
  });

  test("two runs on one service do not disturb each other", async () => {
    await using server = serve();
    for (const seed of ["1", "2"]) {
      const { code } = await loadtest(server.url, "-n", "500", "--seed", seed, "-klen", "2");
      expect(code).toBe(0);
    }
  });

  test("a seed gives the same run again", async () => {
    const run = async () => {
      await using server = serve();
      return (await loadtest(server.url, "-n", "400", "-c", "1", "--seed", "7")).report;
    };
    const [first, second] = [await run(), await run()];
    expect([first.seed, first.get_count]).toEqual([7, second.get_count]);
  });

  test("a trace is replayed: a get for each request, a put for each first key", async () => {
    await using server = serve();
    const trace = await traceFile([0, 1, 0, 2, 1, 3, 3, 0]);
    const { code, report } = await loadtest(server.url, "--trace", trace.file, "-c", "1");
    expect(code).toBe(0);
    expect(report).toMatchObject({
      get_count: 8,
      put_count: 4,
      hits: 4,
      misses: 4,
      first_misses: 4,
    });
    await trace.remove();
  });

  test("a service that keeps everything misses nothing but first keys, on any connections", async () => {
    await using server = serve();
    const trace = await traceFile(Array.from({ length: 2000 }, (_, n) => n >> 2));
    const { code, report } = await loadtest(server.url, "--trace", trace.file, "-c", "8");
    expect([code, report.get_count]).toEqual([0, 2000]);
    expect(report.misses).toBe(report.first_misses);
    await trace.remove();
  });

  test("people get a table and a plot of at most 80 columns, without colours", async () => {
    await using server = serve();
    const { stdout } = await run(["-port", port(server.url), "-n", "500", "-c", "5"]);
    for (const part of [
      "requests/s",
      "GET, PUT",
      "hits",
      "errors",
      "p99.9",
      "requests by latency",
    ]) {
      expect(stdout).toContain(part);
    }
    expect(stdout).not.toContain("\u001b");
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("against a server that fails", () => {
  const answers: readonly (readonly [string, (req: Request) => Response, string])[] = [
    ["gives another value", (req) => found(keyOf(req), "another"), "wrong value"],
    ["gives another key", () => found("another", "v"), "bad answer"],
    ["gives what is not JSON", () => new Response("<html>"), "bad answer"],
    ["fails", () => new Response("no", { status: 500 }), "status 500"],
    ["does not know the path", () => new Response("{}", { status: 404 }), "status 404"],
  ];
  for (const [what, answer, kind] of answers) {
    test(`a server that ${what} makes errors of the kind "${kind}"`, async () => {
      await using server = fake({ get: answer });
      const { code, report } = await loadtest(server.url, "-n", "50", "-c", "1", "-g", "50");
      expect(code).toBe(1);
      expect(report.errors).toEqual({ [kind]: report.get_count });
    });
  }

  test("a server that hangs up makes connection errors, and the run ends", async () => {
    let answered = 0;
    const listener = listen((socket) => {
      if (answered++ < 3) {
        socket.write(STORED);
      } else socket.end();
    });
    const url = `http://127.0.0.1:${listener.port}`;
    const { code, report } = await loadtest(url, "-n", "10", "-c", "1", "-g", "0");
    expect(code).toBe(1);
    expect(report).toMatchObject({ put_count: 3, error_count: 7 });
    expect(report.errors).toEqual({ "connection closed by the service": 7 });
    listener.stop(true);
  });

  test("a server that goes away makes refused connections, and the run ends", async () => {
    let answered = 0;
    const listener = listen((socket) => {
      socket.write(STORED);
      if (++answered === 3) listener.stop(true);
    });
    const url = `http://127.0.0.1:${listener.port}`;
    const { code, report } = await loadtest(url, "-n", "10", "-c", "1", "-g", "0");
    expect([code, report.error_count + report.put_count]).toEqual([1, 10]);
    expect(report.errors["connection refused"]).toBeGreaterThanOrEqual(6);
  });

  test("a server that has gone for good ends the run early, with exit code 1", async () => {
    const listener = listen(() => {
      listener.stop(true);
    });
    const url = `http://127.0.0.1:${listener.port}`;
    const { code, report } = await loadtest(url, "-n", "1000000", "-c", "2", "-g", "0");
    expect(code).toBe(1);
    expect(report.error_count).toBeLessThan(100);
  });

  test("a server that closes after each answer, and says so, makes no errors", async () => {
    const listener = listen((socket) => {
      const head = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n";
      socket.end(`${head}{"status":"OK"}`);
    });
    const url = `http://127.0.0.1:${listener.port}`;
    const { code, report } = await loadtest(url, "-n", "50", "-c", "3", "-g", "0");
    expect([code, report.put_count, report.errors]).toEqual([0, 50, {}]);
    listener.stop(true);
  });

  test("a server that forgets what was put makes misses, of which only the first are first", async () => {
    const missing = () =>
      Response.json({ status: "ERROR", message: "Key not found." }, { status: 404 });
    await using server = fake({ get: missing });
    const trace = await traceFile([0, 1, 0, 0, 1]);
    const { code, report } = await loadtest(server.url, "--trace", trace.file, "-c", "1");
    expect(code).toBe(0);
    expect(report).toMatchObject({ put_count: 5, hits: 0, misses: 5, first_misses: 2 });
    await trace.remove();
  });

  test("at a fixed rate a stall counts for every request that was due meanwhile", async () => {
    let puts = 0;
    await using server = fake({
      put: () => {
        // The one stall: the server's only thread is busy for 100 ms.
        if (++puts === 20) for (const start = performance.now(); performance.now() < start + 100;);
        return Response.json({ status: "OK" });
      },
    });
    // 200 requests in 200 ms on one connection: half of them are due in the stall or wait behind it.
    const { report } = await loadtest(
      server.url,
      "-n",
      "200",
      "-c",
      "1",
      "-g",
      "0",
      "-rate",
      "1000",
    );
    expect(report.latency_ms.max).toBeGreaterThan(90);
    expect(report.latency_ms.p90).toBeGreaterThan(40);
  });
});

describe("Ctrl-C", () => {
  test("gives the results so far and exit code 130, though the service is silent", async () => {
    const third = Promise.withResolvers<void>();
    let asked = 0;
    const listener = listen((socket) => {
      if (++asked === 3) third.resolve();
      else socket.write(STORED);
    });
    const args = [
      "-host",
      "127.0.0.1",
      "-port",
      `${listener.port}`,
      "--json",
      "-c",
      "1",
      "-g",
      "0",
    ];
    const { code, stdout } = await run(args, third.promise);
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ put_count: 2, error_count: 0 });
    listener.stop(true);
  });
});

describe("wrong use", () => {
  test("nothing listening is one clear line and exit code 1", async () => {
    const free = fake({});
    const { port: closed } = new URL(free.url);
    await free[Symbol.asyncDispose]();
    expect(await run(["-host", "127.0.0.1", "-port", closed])).toEqual({
      code: 1,
      stdout: "",
      stderr: `loadtest: nothing listens on http://127.0.0.1:${closed}; start the service, or name it with --host and --port\n`,
    });
  });

  test("a bad option is one line and exit code 64", async () => {
    const stderr = 'loadtest: --requests: "0" is not a whole number from 1 to 1000000000\n';
    expect(await run(["--requests", "0"])).toEqual({ code: 64, stdout: "", stderr });
  });

  test("a trace that cannot be read is one line and exit code 66", async () => {
    const { code, stderr } = await run(["--trace", "/nonexistent"]);
    expect(code).toBe(66);
    expect(stderr).toMatch(/^loadtest: --trace: "\/nonexistent" cannot be read: .*\n$/);
  });
});

interface Report {
  readonly seed: number;
  readonly requests: number;
  readonly get_count: number;
  readonly put_count: number;
  readonly hits: number;
  readonly misses: number;
  readonly first_misses: number;
  readonly error_count: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly latency_ms: Readonly<Record<"p50" | "p90" | "p999" | "max", number>>;
}

/** Runs the tool on a server with --json. */
async function loadtest(
  url: string,
  ...options: string[]
): Promise<{ code: number; report: Report }> {
  const at = ["-host", "127.0.0.1", "-port", port(url), "--json"];
  const { code, stdout, stderr } = await run([...at, ...options]);
  expect(stderr).toBe("");
  return { code, report: JSON.parse(stdout) as Report };
}

/** Runs the tool to its end, or to a Ctrl-C once `interrupt` resolves. */
async function run(args: readonly string[], interrupt?: Promise<void>) {
  const child = Bun.spawn([process.execPath, MAIN, "loadtest", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    // As under `bun test` in a terminal: what is not a terminal gets no colours all the same.
    env: { ...process.env, FORCE_COLOR: "1" },
  });
  void interrupt?.then(() => child.kill("SIGINT"));
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

/** A server with the API's paths and answers of the test's own. */
function fake(answers: { get?: (req: Request) => Response; put?: () => Response }) {
  const stored = () => Response.json({ status: "OK" });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/get": (req) => answers.get?.(req) ?? found(keyOf(req), ""),
      "/put": async (req) => {
        await req.json();
        return answers.put?.() ?? stored();
      },
    },
  });
  const stop = async () => await server.stop(true);
  return { url: server.url.origin, [Symbol.asyncDispose]: stop };
}

/** An answer to a put, as bytes on a socket. */
const STORED = 'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"OK"}';

/** A server that does what it likes with each request's socket. */
function listen(data: (socket: Socket) => void) {
  return Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data } });
}

function found(key: string, value: string): Response {
  return Response.json({ status: "OK", key, value });
}

function keyOf(req: Request): string {
  return new URL(req.url).searchParams.get("key") ?? "";
}

function port(url: string): string {
  return new URL(url).port;
}

async function traceFile(ids: readonly number[]) {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-trace-"));
  const file = join(folder, "trace.u32.gz");
  await Bun.write(file, Bun.gzipSync(new Uint8Array(Uint32Array.from(ids).buffer)));
  return { file, remove: () => rm(folder, { recursive: true }) };
}
