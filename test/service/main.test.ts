// The process as a user sees it: lines, signals and exit codes.

import { describe, expect, test } from "bun:test";

import { version } from "../../package.json";
import { connect } from "../lib/raw.ts";
import { freePort, runToEnd, startService } from "../lib/service.ts";
import { until } from "../lib/until.ts";

describe("start", () => {
  test("one log line has address, shards, memory and version", async () => {
    await using service = await startService([
      ...["--shards", "8", "--workers", "2", "--memory", "128mb"],
      ...["--max-connections", "500", "--max-pending-bytes", "8mb"],
    ]);
    service.kill("SIGTERM");
    const { stdout } = await service.exit;
    const [first] = stdout.split("\n");
    expect(first).toMatch(
      new RegExp(
        `^\\S+Z info listening address=${service.url} redis=off workers=2 shards=8 memory=128mb max_connections=500 max_pending_bytes=8mb version=${version}$`,
      ),
    );
  });

  test("options that the memory cannot satisfy are logged, and the service serves", async () => {
    await using service = await startService(["--memory", "2mb", "--log-format", "json"]);
    const value = "v".repeat(250);
    for (let n = 0; n < 60; n++) {
      const entries = Array.from({ length: 300 }, (_, m) => ({ key: `${n}:${m}`, value }));
      const body = JSON.stringify({ entries });
      expect((await fetch(`${service.url}/mput`, { method: "POST", body })).status).toBe(200);
    }
    const isFull = async () => {
      const answer = await fetch(`${service.url}/stats`);
      return ((await answer.json()) as { evicted_count: number }).evicted_count > 0;
    };
    expect(await isFull()).toBe(true);
    await until("the log has the event", async () =>
      (await service.stdout()).includes("eviction began"),
    );
    service.kill("SIGTERM");
    const { stdout } = await service.exit;
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    const [fewer] = lines.filter(({ event }) => event === "fewer shards");
    expect(fewer).toMatchObject({ shards: 1, wanted: 64 });
    const [smaller] = lines.filter(({ event }) => event === "smaller values");
    expect(smaller).toMatchObject({
      max_value_bytes: 252_456,
      reason: "--memory 2mb has no room for --max-value-bytes 1mb",
    });
    expect(lines.filter(({ event }) => event === "eviction began")).toHaveLength(1);
  });

  test("the service responds as soon as it has logged that it listens", async () => {
    await using service = await startService();
    expect((await fetch(`${service.url}/health`)).status).toBe(200);
  });

  test("options come from flags first, and then from the environment", async () => {
    await using service = await startService(["--virtual-nodes", "8"], {
      RINGCACHE_SHARDS: "5",
      RINGCACHE_VIRTUAL_NODES: "9",
    });
    const answer = await fetch(`${service.url}/stats`);
    expect(await answer.json()).toMatchObject({ shards: 5, virtual_nodes: 8 });
  });

  test("the log has the name of a misspelt variable, and not its value", async () => {
    await using service = await startService([], { RINGCACHE_AUTH_TOEKN: "open-sesame" });
    service.kill("SIGTERM");
    const { stdout } = await service.exit;
    expect(stdout).toContain("warn unknown variable variable=RINGCACHE_AUTH_TOEKN");
    expect(stdout).not.toContain("open-sesame");
  });

  test("--version and --help print their text and exit with 0", async () => {
    expect(await runToEnd(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await runToEnd(["-h"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--max-key-length");
    expect(help.stdout).toContain("RINGCACHE_PORT");
  });

  const refused: readonly (readonly [readonly string[], Record<string, string>, string])[] = [
    [["--port", "99999"], {}, `--port: "99999" is not a whole number from 0 to 65535`],
    [["--port", "-1"], {}, `--port: "-1" is not a whole number from 0 to 65535`],
    [["--port", "71x"], {}, `--port: "71x" is not a whole number from 0 to 65535`],
    [["--port"], {}, "--port needs a value: a whole number from 0 to 65535"],
    [["--shards=0"], {}, `--shards: "0" is not a whole number from 1 to 1024`],
    [
      ["--memory", "12kb"],
      {},
      `--memory: "12kb" is not auto or bytes, kb, mb, gb or tb, from 1mb to 1tb`,
    ],
    [
      ["--memory", "1000gb"],
      {},
      "--memory 1000gb needs at least 501 --shards: one holds less than 2gb",
    ],
    [
      ["--default-ttl", "60", "--max-ttl", "30"],
      {},
      "--default-ttl 60 is longer than --max-ttl 30; it must be at most --max-ttl",
    ],
    [["--log-format", "xml"], {}, `--log-format: "xml" is not text or json`],
    [["--log-requests=maybe"], {}, `--log-requests: "maybe" is not true or false`],
    [["--workers", "0"], {}, `--workers: "0" is not auto or a whole number from 1 to 256`],
    [["--workers", "all"], {}, `--workers: "all" is not auto or a whole number from 1 to 256`],
    [
      ["--store", "map", "--workers", "2"],
      {},
      "--workers 2 cannot share --store map, which lives in one thread; use --workers 1 or --store shared",
    ],
    [["--port=0", "7171"], {}, `unexpected argument "7171"; options start with --`],
    [["7171"], {}, `unknown subcommand "7171"; --help lists subcommands and options`],
    [["toString"], {}, `unknown subcommand "toString"; --help lists subcommands and options`],
    [
      ["tpo", "--once"],
      {},
      `unknown subcommand "tpo"; did you mean "top"? --help lists subcommands and options`,
    ],
    [
      ["--prot", "1"],
      {},
      `unknown option "--prot"; did you mean "--port"? --help lists the options`,
    ],
    [[], { RINGCACHE_PORT: "x" }, `RINGCACHE_PORT: "x" is not a whole number from 0 to 65535`],
    [[], { PORT: "http" }, `PORT: "http" is not a whole number from 0 to 65535`],
  ];
  for (const [options, env, message] of refused) {
    test(`${[...options, ...Object.entries(env)].join(" ")} exits with 64 and prints one line`, async () => {
      expect(await runToEnd(options, env)).toEqual({
        code: 64,
        stdout: "",
        stderr: `ringcache: ${message}\n`,
      });
    });
  }

  const portInUse = (port: string) => ({
    code: 71,
    stdout: "",
    stderr:
      `ringcache: cannot listen on 127.0.0.1:${port}: the port is in use; ` +
      "stop what uses it or choose another with --port\n",
  });
  for (const [first, second] of [
    ["1", "1"],
    ["2", "2"],
    ["2", "1"],
    ["1", "2"],
  ] as const) {
    test(`a port in use by ${first} workers ends a second service of ${second} with 71 and one line`, async () => {
      await using service = await startService(["--workers", first]);
      const { port } = new URL(service.url);
      const options = ["--host", "127.0.0.1", "--port", port, "--workers", second];
      expect(await runToEnd(options)).toEqual(portInUse(port));
    });
  }

  test("one of several services that start at the same time on one port serves", async () => {
    const port = `${freePort()}`;
    const hosts = ["127.0.0.1", "0.0.0.0", "auto"];
    const start = (host: string) =>
      startService(["--host", host, "--port", port, "--workers", "2"]);
    const started = await Promise.allSettled(hosts.map(start));
    const serving = started.filter((one) => one.status === "fulfilled");
    expect(serving).toHaveLength(1);
    for (const { value } of serving) await value[Symbol.asyncDispose]();
  });

  test("a service with --store map serves and sweeps", async () => {
    await using service = await startService(["--store", "map"]);
    const body = JSON.stringify({ key: "k", value: "v", ttl: 0.001 });
    await fetch(`${service.url}/put`, { method: "POST", body });
    const stats = async () => (await (await fetch(`${service.url}/stats`)).json()) as Stats;
    await until("the entries are swept", async () => (await stats()).total_items === 0);
    expect(await stats()).toMatchObject({ workers: 1, expired_count: 1 });
  });

  test("an address of another machine exits with 71 and prints one line", async () => {
    const { code, stderr } = await runToEnd(["--host", "192.0.2.1", "--port", "0"]);
    expect(code).toBe(71);
    expect(stderr).toMatch(/^ringcache: cannot listen on 192.0.2.1:0: .*--host.*\n$/);
  });
});

describe("stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} finishes the requests in flight and exits with 0`, async () => {
      await using service = await startService(["--workers", "2"]);
      using _neverUsed = await connect(service.url);
      using slow = await connect(service.url);
      const body = `{"key":"k","value":"v"}`;
      const head = `POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n`;
      slow.send(`${head}Expect: 100-continue\r\n\r\n`);
      await slow.until("100 Continue");
      service.kill(signal);
      // The closed listener shows that the stop has begun.
      await until("the listener is closed", async () => !(await accepts(service.url)));
      service.kill(signal);
      slow.send(body);
      expect(await slow.closed).toContain(`{"status":"OK"}`);
      const { code, stdout, stderr } = await service.exit;
      expect([code, stderr]).toEqual([0, ""]);
      const events = stdout.split("\n").map((line) => line.split(" ").slice(1).join(" "));
      expect(events.slice(1)).toEqual([`info stopping signal=${signal}`, "info stopped", ""]);
    });
  }

  test("a request that never ends is cut off", async () => {
    await using service = await startService(["--workers", "2"]);
    using slow = await connect(service.url);
    slow.send("POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    await slow.until("100 Continue");
    service.kill("SIGTERM");
    expect((await service.exit).code).toBe(0);
    expect(await slow.closed).not.toContain("200 OK");
  });
});

test("while the service stops, a busy client gets every response, and then 503", async () => {
  await using service = await startService(["--workers", "2"]);
  const body = `{"key":"k","value":"v"}`;
  const head = `POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  const statuses: number[] = [];
  const client = async (): Promise<number> => {
    using connection = await connect(service.url);
    for (let sent = 1; ; sent++) {
      connection.send(head + body);
      const received = await connection.answers(sent);
      const status = Number(received.match(/HTTP\/1.1 (\d+)/g)?.[sent - 1]?.slice(-3));
      if (status !== 200) return status;
      statuses.push(status);
    }
  };
  // Eight clients: even a slow machine serves each of them within the 250 ms before the listeners close.
  const clients = Array.from({ length: 8 }, client);
  await until("the clients are at work", () => statuses.length >= 400);
  service.kill("SIGTERM");
  expect(await Promise.all(clients)).toEqual(Array.from({ length: 8 }, () => 503));
  expect((await service.exit).code).toBe(0);
});

describe("logs", () => {
  // A broken pipe is an error event of standard output. Without a handler it ends the process.
  test("the service keeps serving when the reader of its log ends", async () => {
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const own = ["--host", "127.0.0.1", "--port", "0", "--resp-port", "0"];
    const child = Bun.spawn([process.execPath, main, ...own, "--log-requests"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const url = /http:\/\/[\d.]+:\d+/.exec(Buffer.from(value ?? []).toString())?.[0];
    await reader.cancel();
    for (let n = 0; n < 20; n++) expect((await fetch(`${url}/health`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("requests are not logged by default", async () => {
    await using service = await startService();
    await fetch(`${service.url}/health`);
    service.kill("SIGTERM");
    expect((await service.exit).stdout).not.toContain("/health");
  });

  test("--log-requests logs method, path, status and time, but no key or value", async () => {
    await using service = await startService(["--log-requests", "--log-format", "json"]);
    const body = JSON.stringify({ key: "secret-key", value: "secret-value" });
    await fetch(`${service.url}/put`, { method: "POST", body });
    await fetch(`${service.url}/get?key=secret-key`);
    await fetch(`${service.url}/nope`);
    service.kill("SIGTERM");
    const { stdout } = await service.exit;
    const lines = stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    const request = (method: string, path: string, status: number) => ({
      time: expect.any(String),
      level: "info",
      event: "request",
      method,
      path,
      status,
      ms: expect.any(Number),
    });
    expect(lines[0]).toMatchObject({ event: "listening", address: service.url, version });
    expect(lines.at(-1)).toMatchObject({ event: "stopped" });
    // The threads log independently: the order of their lines is open.
    const between = lines.slice(1, -1);
    expect(between).toHaveLength(4);
    expect(between).toContainEqual(request("POST", "/put", 200));
    expect(between).toContainEqual(request("GET", "/get", 200));
    expect(between).toContainEqual(request("GET", "/nope", 404));
    expect(between).toContainEqual(
      expect.objectContaining({ event: "stopping", signal: "SIGTERM" }),
    );
    expect(stdout).not.toContain("secret");
  });
});

describe("maintenance", () => {
  test("expired entries are freed without a request for them", async () => {
    await using service = await startService();
    const entries = Array.from({ length: 5000 }, (_, n) => ({
      key: `k${n}`,
      value: "v",
      ttl: 0.001,
    }));
    await fetch(`${service.url}/mput`, { method: "POST", body: JSON.stringify({ entries }) });
    const stats = async () => (await (await fetch(`${service.url}/stats`)).json()) as Stats;
    await until("the entries are swept", async () => (await stats()).total_items === 0);
    expect(await stats()).toMatchObject({ total_items: 0, expired_count: 5000 });
  });
});

interface Stats {
  readonly total_items: number;
}

async function accepts(url: string): Promise<boolean> {
  try {
    using _connection = await connect(url);
    return true;
  } catch {
    return false;
  }
}
