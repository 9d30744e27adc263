// The service and what it is held against, each as a process on one core with one
// thread that serves, on a free port of the loopback address.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { benchServer, type BenchServer, pinned, startService } from "./server.ts";

export type PeerName = "ringcache" | "redis-server" | "memcached" | "nginx" | "pogocache";

export interface Peer extends BenchServer {
  readonly name: PeerName;
  /** Port of the Redis protocol or of memcached's; for nginx, its only port. */
  readonly port: number;
}

type ForeignName = Exclude<PeerName, "ringcache">;
/** The command line; `folder` is empty, the process's own, and removed when it ends. */
type CommandOf = (port: number, folder: string) => readonly string[];

/** What nginx answers to a GET: as long as the service's answer is. */
const CONSTANT = JSON.stringify({ status: "OK", key: "key:00000", value: "v".repeat(100) });
const READY_WITHIN_MS = 10_000;

const COMMANDS: Readonly<Record<ForeignName, CommandOf>> = {
  "redis-server": (port, folder) => [
    ...["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
    ...["--save", "", "--appendonly", "no", "--loglevel", "warning"],
  ],
  memcached: (port) => [
    ...["memcached", "-l", "127.0.0.1", "-p", `${port}`, "-U", "0", "-t", "1", "-m", "2048"],
    // It does not run as root unless it is told to.
    ...(process.getuid?.() === 0 ? ["-u", "root"] : []),
  ],
  nginx: (_port, folder) => ["nginx", "-p", folder, "-e", "stderr", "-c", join(folder, "conf")],
  pogocache: (port) => ["pogocache", "-h", "127.0.0.1", "-p", `${port}`, "--threads", "1"],
};

/** Without the master, so that the process that is measured is the one that answers. */
function nginxConfig(port: number, folder: string): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const folders = paths.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  return `daemon off; master_process off; error_log stderr crit; pid ${folder}/pid;
events { worker_connections 1024; }
http {
  access_log off; default_type application/json; keepalive_requests 1000000000; ${folders}
  server {
    listen 127.0.0.1:${port};
    location / { return 200 '${CONSTANT}'; }
    location = /put { return 200 '{"status":"OK"}'; }
  }
}
`;
}

/** Starts the service with one worker, both protocols on. */
export async function startOurs(
  core: number | undefined,
  ...options: readonly string[]
): Promise<Peer> {
  const port = freePort();
  // Of two flags of one name the later counts.
  const service = await startService(core, "--workers", "1", "--resp-port", `${port}`, ...options);
  return { ...service, name: "ringcache", port };
}

/** Starts another server. Throws if it does not listen in time. */
export async function startForeign(name: ForeignName, core: number | undefined): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const port = freePort();
  if (name === "nginx") await Bun.write(join(folder, "conf"), nginxConfig(port, folder));
  const child = Bun.spawn(pinned(core, COMMANDS[name](port, folder)), {
    stdout: "ignore",
    stderr: "inherit",
  });
  const server = benchServer(child, `http://127.0.0.1:${port}`);
  const stop = async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  };
  const expiresAtMs = performance.now() + READY_WITHIN_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > expiresAtMs) {
      await stop();
      throw new Error(`${name} did not start`);
    }
    await Bun.sleep(20);
  }
  return { ...server, name, port, [Symbol.asyncDispose]: stop };
}

/** "redis-server 7.0.15". */
export async function describePeer(name: ForeignName): Promise<string> {
  const child = Bun.spawn([name, name === "nginx" ? "-v" : "--version"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  const version = /\d+\.\d+(\.\d+)?/.exec((await Promise.all(texts)).join(""))?.[0];
  return `${name} ${version ?? "of unknown version"}`;
}

/** It may be taken before it is used; then a server does not start. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

async function listens(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
