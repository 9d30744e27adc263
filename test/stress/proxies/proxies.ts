// Refusals through nginx and HAProxy with their defaults: each must reach the client, and none may
// make the proxy take the service for dead.

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";

export interface Row {
  readonly proxy: string;
  readonly refusal: string;
  readonly bodyBytes: number;
  /** Answers by status; "none" where the connection broke. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly expected: number;
}

interface Refused {
  readonly name: string;
  readonly status: number;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bodies that are refused so; all without it. */
  readonly leastBytes?: number;
}

const TOKEN = "secret";
const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` };
const REFUSED: readonly Refused[] = [
  { name: "no token", status: 401, path: "/put" },
  { name: "wrong token", status: 401, path: "/put", headers: { authorization: "Bearer wrong" } },
  { name: "read token", status: 403, path: "/put", headers: { authorization: "Bearer reader" } },
  {
    ...{ name: "foreign origin", status: 403, path: "/put" },
    headers: { ...WITH_TOKEN, origin: "http://evil.example" },
  },
  { name: "no such path", status: 404, path: "/nowhere", headers: WITH_TOKEN },
  { name: "wrong method", status: 405, path: "/get", headers: WITH_TOKEN },
  { name: "not JSON", status: 400, path: "/put", headers: WITH_TOKEN },
  {
    name: "body too large",
    status: 413,
    path: "/mput",
    headers: WITH_TOKEN,
    leastBytes: 4_194_305,
  },
];

/** A proxy with two servers, which are the same service, on a port. */
interface Proxy {
  readonly name: string;
  readonly command: (folder: string) => string[];
  readonly file: string;
  readonly config: (port: number, backend: number, folder: string) => string;
}

const PROXIES: readonly Proxy[] = [
  {
    name: "nginx",
    file: "nginx.conf",
    command: (folder) => ["nginx", "-c", join(folder, "nginx.conf"), "-p", folder],
    config: (port, backend, folder) => `
      daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 256; }
      http {
        access_log off; client_max_body_size 100m; client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        upstream cache { server 127.0.0.1:${backend}; server 127.0.0.1:${backend}; }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://cache; } }
      }`,
  },
  {
    name: "haproxy",
    file: "haproxy.cfg",
    command: (folder) => ["haproxy", "-db", "-q", "-f", join(folder, "haproxy.cfg")],
    config: (port, backend) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  http-reuse always
  server one 127.0.0.1:${backend}
  server two 127.0.0.1:${backend}
`,
  },
];

export const missingProxies = (): string[] =>
  PROXIES.map(({ name }) => name).filter((name) => Bun.which(name) === null);

/** Sends each refusal `times` times with bodies of these sizes through each proxy that is installed. */
export async function runProxies(times: number, sizes: readonly number[]): Promise<Row[]> {
  const options = ["--auth-token", TOKEN, "--read-token", "reader", "--memory", "64mb"];
  await using service = await startService(options);
  const rows: Row[] = [];
  for (const proxy of PROXIES) {
    if (Bun.which(proxy.name) === null) continue;
    await using running = await start(proxy, service);
    for (const refused of REFUSED) {
      for (const bodyBytes of sizes) {
        if (bodyBytes < (refused.leastBytes ?? 0)) continue;
        const statuses = await send(running.url, refused, bodyBytes, times);
        const expected = bodyBytes > 4_194_304 && refused.status === 400 ? 413 : refused.status;
        rows.push({ proxy: proxy.name, refusal: refused.name, bodyBytes, statuses, expected });
      }
    }
    rows.push(await trailers(proxy.name, running.url, times));
  }
  return rows;
}

async function send(url: string, refused: Refused, bodyBytes: number, times: number) {
  const { path, method = "POST", headers = {} } = refused;
  const body = Buffer.alloc(bodyBytes, "x");
  const statuses: Record<string, number> = {};
  for (let n = 0; n < times; n++) {
    const status = await fetch(url + path, { method, headers, body }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return `${answer.status}`;
      },
      () => "none",
    );
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

/** A chunked request with a trailer, then a request of another client, which gets its own answer. */
async function trailers(proxy: string, url: string, times: number): Promise<Row> {
  const { hostname, port } = new URL(url);
  const statuses: Record<string, number> = {};
  const authorization = `Authorization: Bearer ${TOKEN}`;
  for (let n = 0; n < times; n++) {
    const answered = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      ...{ hostname, port: Number(port) },
      socket: { data: () => answered.resolve(), close: () => answered.resolve() },
    });
    socket.write(
      `POST /put HTTP/1.1\r\nHost: x\r\n${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n` +
        '17\r\n{"key":"j","value":"v"}\r\n0\r\nX-Checksum: abc\r\n\r\n',
    );
    await answered.promise;
    const { status } = await fetch(`${url}/get?key=j`, { headers: WITH_TOKEN });
    statuses[status] = (statuses[status] ?? 0) + 1;
    socket.end();
  }
  return { proxy, refusal: "after a trailer", bodyBytes: 23, statuses, expected: 200 };
}

async function start(proxy: Proxy, service: ServiceProcess) {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-proxy-"));
  // The workers of nginx run as another user.
  await chmod(folder, 0o755);
  const port = freePort();
  const backend = Number(new URL(service.url).port);
  await Bun.write(join(folder, proxy.file), proxy.config(port, backend, folder));
  const child = Bun.spawn(proxy.command(folder), { stdout: "ignore", stderr: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  const end = async (): Promise<void> => {
    child.kill();
    await child.exited;
    await rm(folder, { recursive: true, force: true });
  };
  let hasEnded = false;
  void child.exited.then(() => (hasEnded = true));
  // Until it listens.
  while (!(await fetch(`${url}/livez`).catch(() => undefined))?.ok) {
    if (hasEnded) throw new Error(`${proxy.name} has ended with ${child.exitCode}`);
  }
  return { url, [Symbol.asyncDispose]: end };
}
