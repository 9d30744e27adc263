// TLS on both ports of a running service, and new certificates under load.

import { afterAll, describe, expect, test } from "bun:test";
import { copyFile } from "node:fs/promises";
import http2 from "node:http2";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";

import { Certificates } from "../../lib/certificates.ts";
import { freePort, runToEnd, startService } from "../../lib/service.ts";
import { temporaryFolder } from "../../unit/snapshot/saved.ts";
import { until } from "../../lib/until.ts";

const certificates = await Certificates.create();
afterAll(() => certificates[Symbol.asyncDispose]());
const certOf = (name: string) => certificates.certOf(name);
const keyOf = (name: string) => certificates.keyOf(name);
const textOf = async (path: string) => await Bun.file(path).text();
const NO_PEM = import.meta.path;
const FIRST = ["--tls-cert", certOf("first"), "--tls-key", keyOf("first")];

interface Client {
  /** The subject of the certificate of the service. */
  readonly service: string;
  /** Sends text and resolves with the bytes received once they end with `end`. Rejects if the connection ends. */
  ask(text: string, end: string): Promise<string>;
  [Symbol.dispose](): void;
}

const HTTP_GET = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
const HTTP_OK = '{"status":"OK"}';

/** Opens a connection that trusts `authority`. Rejects if a side rejects the other's certificate. */
async function connectTls(
  port: number,
  options: { readonly trusts?: string; readonly shows?: string } = {},
): Promise<Client> {
  const { trusts, shows } = options;
  const socket: TLSSocket = connect({
    ...{ host: "127.0.0.1", port },
    ...(trusts === undefined
      ? { rejectUnauthorized: false }
      : { ca: await textOf(certOf(trusts)) }),
    ...(shows === undefined
      ? {}
      : { cert: await textOf(certOf(shows)), key: await textOf(keyOf(shows)) }),
  });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  socket.on("error", ended.reject);
  socket.on("close", () => ended.reject(new Error("the connection has ended")));
  let text = "";
  let wake = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    text += chunk.toString();
    wake.resolve();
    wake = Promise.withResolvers();
  });
  const open = new Promise<void>((resolve) => socket.once("secureConnect", resolve));
  await Promise.race([open, ended.promise]);
  return {
    service: String(socket.getPeerCertificate().subject.CN),
    async ask(question, end) {
      text = "";
      socket.write(question);
      while (!text.endsWith(end)) await Promise.race([wake.promise, ended.promise]);
      return text;
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

async function startTls(...options: string[]) {
  const respPort = freePort();
  const service = await startService(["--resp-port", `${respPort}`, ...options]);
  return { service, respPort, port: Number(new URL(service.url).port) };
}

describe("with --tls-cert and --tls-key", () => {
  test("both ports speak only TLS, with that certificate", async () => {
    const { service, port, respPort } = await startTls("--workers", "2", ...FIRST);
    await using _ = service;
    expect(service.url).toStartWith("https://");
    using http = await connectTls(port, { trusts: "first" });
    expect(await http.ask(HTTP_GET, HTTP_OK)).toStartWith("HTTP/1.1 200 OK");
    using resp = await connectTls(respPort, { trusts: "first" });
    expect(await resp.ask("PING\r\n", "\r\n")).toBe("+PONG\r\n");
    // Longer than a TLS record, and than the send buffer of a socket.
    const value = "v".repeat(900_000);
    expect(await resp.ask(`SET k "${value.slice(0, 60_000)}"\r\n`, "\r\n")).toBe("+OK\r\n");
    const set = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n`;
    expect(await resp.ask(set, "\r\n")).toBe("+OK\r\n");
    const length = (await resp.ask("GET k\r\n", "v\r\n")).length;
    expect(length).toBe(value.length + "$900000\r\n\r\n".length);
    expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  });

  test("loadtest --tls sends requests if it trusts the certificate, and none otherwise", async () => {
    const { service, port } = await startTls("--workers", "1", ...FIRST);
    await using _ = service;
    const options = ["-n", "50", "-c", "2", "--host", "localhost", "--port", `${port}`, "--json"];
    const load = (env: Record<string, string>) => runToEnd(["loadtest", "--tls", ...options], env);
    const trusting = await load({ NODE_EXTRA_CA_CERTS: certOf("first") });
    expect([trusting.code, JSON.parse(trusting.stdout)]).toMatchObject([
      0,
      { requests: 50, error_count: 0 },
    ]);
    const doubting = await load({});
    expect(doubting.code).toBe(1);
    expect(doubting.stdout === "" || JSON.parse(doubting.stdout).requests === 0).toBe(true);
  });

  test("a client that trusts another authority closes the connection", async () => {
    const { service, port, respPort } = await startTls("--workers", "1", ...FIRST);
    await using _ = service;
    for (const wrong of [port, respPort]) {
      expect(connectTls(wrong, { trusts: "second" })).rejects.toThrow(/certificate/i);
    }
  });

  test("HTTP/2 is served beside HTTP/1.1 with --http2", async () => {
    const { service } = await startTls("--workers", "1", "--http2", ...FIRST);
    await using _ = service;
    const old = await fetch(`${service.url}/health`, { tls: { rejectUnauthorized: false } });
    const session = http2.connect(service.url, { rejectUnauthorized: false });
    const answer = await text(session.request({ ":path": "/health" }));
    expect([await old.text(), answer, session.alpnProtocol]).toEqual([HTTP_OK, HTTP_OK, "h2"]);
    session.destroy();
  });
});

test("with --tls-ca a client needs a certificate of that authority, on both ports", async () => {
  const { service, port, respPort } = await startTls(
    ...["--workers", "1", ...FIRST, "--tls-ca", certOf("authority")],
  );
  await using _ = service;
  const questions = [
    [port, HTTP_GET, HTTP_OK],
    [respPort, "PING\r\n", "+PONG\r\n"],
  ] as const;
  for (const [to, question, answer] of questions) {
    using client = await connectTls(to, { trusts: "first", shows: "client" });
    expect(await client.ask(question, answer)).toEndWith(answer);
    for (const shows of [undefined, "stranger", "expired"]) {
      const refused = async () => {
        using stranger = await connectTls(to, shows === undefined ? {} : { shows });
        return await stranger.ask(question, answer);
      };
      await expect(refused()).rejects.toThrow();
    }
  }
});

test("a client that never begins its handshake is counted as a connection, and closed as a slow client", async () => {
  const limits = ["--max-connections", "3", "--slow-client-timeout", "0.5"];
  const { service, respPort } = await startTls("--workers", "1", ...FIRST, ...limits);
  await using _ = service;
  const silent = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const closed = Promise.withResolvers<void>();
      await Bun.connect({
        ...{ hostname: "127.0.0.1", port: respPort },
        socket: { data() {}, close: () => closed.resolve() },
      });
      return closed.promise;
    }),
  );
  await Promise.all(silent);
  const metrics = await fetch(`${service.url}/metrics`, { tls: { rejectUnauthorized: false } });
  const text = await metrics.text();
  expect(text).toContain('refused_total{protocol="resp",reason="connections"} 3');
  expect(text).toContain('refused_total{protocol="resp",reason="slow_client"} 3');
});

test("wrong certificates end the start with one line that names the fault", async () => {
  const cases: readonly (readonly [string[], string])[] = [
    [["--tls-cert", certOf("first")], "TLS takes both --tls-cert and --tls-key"],
    [["--tls-ca", certOf("first")], "TLS takes both --tls-cert and --tls-key"],
    [
      ["--tls-cert", "/nowhere", "--tls-key", keyOf("first")],
      "/nowhere cannot be read: there is no such file",
    ],
    [["--tls-cert", NO_PEM, "--tls-key", keyOf("first")], "is not in PEM"],
    [["--tls-cert", certOf("first"), "--tls-key", NO_PEM], "is not in PEM"],
    [["--tls-cert", certOf("first"), "--tls-key", keyOf("second")], "is not the key of"],
    [[...FIRST, "--tls-ca", NO_PEM], "--tls-ca"],
  ];
  for (const [options, message] of cases) {
    const { code, stderr } = await runToEnd(options);
    expect([code, stderr.split("\n").length]).toEqual([64, 2]);
    expect(stderr).toContain(message);
  }
});

describe("at SIGHUP", () => {
  test("new connections get the new certificate, and no open connection ends, under load", async () => {
    await using folder = await temporaryFolder();
    const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    const use = async (name: string) => {
      await copyFile(certOf(name), cert);
      await copyFile(keyOf(name), key);
    };
    await use("first");
    const { service, port, respPort } = await startTls(
      ...["--workers", "2", "--tls-cert", cert, "--tls-key", key, "--idle-timeout", "0"],
    );
    await using _ = service;

    const idle = await Promise.all([port, port, respPort, respPort].map((to) => connectTls(to)));
    // The runtime closes a connection that sends no request within 12 s.
    for (const client of idle.slice(0, 2)) await client.ask(HTTP_GET, HTTP_OK);
    let isOver = false;
    let answers = 0;
    /** Clients that send requests in a loop, half of them over a new connection each time. */
    const load = Array.from({ length: 8 }, async (_, n) => {
      const [to, question, answer] =
        n % 2 === 0 ? [port, HTTP_GET, HTTP_OK] : [respPort, "PING\r\n", "+PONG\r\n"];
      let client = await connectTls(to);
      while (!isOver) {
        await client.ask(question, answer);
        answers++;
        if (n < 4) continue;
        client[Symbol.dispose]();
        client = await connectTls(to);
      }
      client[Symbol.dispose]();
    });
    const reloaded = async (times: number) => {
      service.kill("SIGHUP");
      const count = async () => (await service.stdout()).split("info reloaded").length - 1;
      await until(`${times} reloads are logged`, async () => (await count()) >= times);
    };
    for (const [times, name] of ["second", "first", "second"].entries()) {
      await use(name);
      await reloaded(times + 1);
      for (const to of [port, respPort, port, respPort]) {
        using client = await connectTls(to);
        expect(client.service).toBe(name);
      }
    }
    isOver = true;
    await Promise.all(load);
    expect(answers).toBeGreaterThan(100);
    for (const [n, client] of idle.entries()) {
      const [question, answer] = n < 2 ? [HTTP_GET, HTTP_OK] : ["PING\r\n", "+PONG\r\n"];
      expect(client.service).toBe("first");
      expect(await client.ask(question, answer)).toEndWith(answer);
      client[Symbol.dispose]();
    }
    service.kill("SIGTERM");
    expect((await service.exit).code).toBe(0);
  });

  test("a SIGHUP during the start leaves only the new certificate", async () => {
    await using folder = await temporaryFolder();
    const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    await copyFile(certOf("first"), cert);
    await copyFile(keyOf("first"), key);
    const [port, respPort] = [freePort(), freePort()];
    const main = new URL("../../../src/main.ts", import.meta.url).pathname;
    const ports = ["--host", "127.0.0.1", "--port", `${port}`, "--resp-port", `${respPort}`];
    const files = ["--workers", "2", "--tls-cert", cert, "--tls-key", key];
    await using child = Bun.spawn([process.execPath, main, ...ports, ...files], { stdout: "pipe" });
    // The process has read its files, and its workers have not started.
    const sign = `@ringcache starts on ${respPort}`;
    await until(sign, async () => (await Bun.file("/proc/net/unix").text()).includes(sign));
    await copyFile(certOf("second"), cert);
    await copyFile(keyOf("second"), key);
    child.kill("SIGHUP");
    let said = "";
    for await (const chunk of child.stdout) {
      said += Buffer.from(chunk).toString();
      if (said.includes("info reloaded")) break;
    }
    for (let n = 0; n < 10; n++) {
      for (const to of [port, respPort]) {
        using client = await connectTls(to);
        expect(client.service).toBe("second");
      }
    }
    child.kill("SIGKILL");
  });

  test("a fault in the files is logged, and the old certificate stays", async () => {
    await using folder = await temporaryFolder();
    const cert = join(folder.path, "cert.pem");
    await copyFile(certOf("first"), cert);
    const { service, port } = await startTls(
      ...["--workers", "1", "--tls-cert", cert, "--tls-key", keyOf("first")],
    );
    await using _ = service;
    await Bun.write(cert, "no certificate");
    service.kill("SIGHUP");
    await until("the log tells of it", async () =>
      (await service.stdout()).includes("error reload refused"),
    );
    using client = await connectTls(port);
    expect(client.service).toBe("first");
  });

  test("tokens are read again, and streams of /events with an old token end", async () => {
    await using folder = await temporaryFolder();
    const token = join(folder.path, "token");
    await Bun.write(token, "before\n");
    await using service = await startService(["--workers", "2", "--auth-token-file", token]);
    const askWith = (text: string, path: string) =>
      fetch(service.url + path, { headers: { authorization: `Bearer ${text}` } });
    const statusOf = async (text: string) => (await askWith(text, "/stats")).status;
    expect([await statusOf("before"), await statusOf("after")]).toEqual([200, 401]);
    const listening = (await askWith("before", "/events")).text();
    await Bun.write(token, "after\n");
    service.kill("SIGHUP");
    await until("the log tells of it", async () =>
      (await service.stdout()).includes("info reloaded"),
    );
    for (let n = 0; n < 10; n++) {
      expect([await statusOf("before"), await statusOf("after")]).toEqual([401, 200]);
    }
    expect(await listening).toStartWith("event: history");
  });
});
