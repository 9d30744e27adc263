// The service and the programs that it is compared with, each as a process with one thread that
// serves, on a free port of the loopback address.

import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  benchServer,
  type BenchServer,
  type FloorName,
  pinned,
  startFloor,
  startService,
} from "./server.ts";

export type ForeignName =
  "valkey-server" | "redis-server" | "pogocache" | "memcached" | "nginx" | "go";
export type PeerName = "ringcache" | "floor" | ForeignName;

export interface Peer extends BenchServer {
  readonly name: PeerName;
  /** The name in tables, with the version: unique among the peers of a run. */
  readonly label: string;
  /** Port of the Redis protocol or of memcached's; for an HTTP server, its only port. */
  readonly port: number;
}

/** A program that was found, and its label: "Valkey 9.1.2". */
export interface Program {
  readonly name: ForeignName;
  readonly path: string;
  readonly label: string;
  /** Arguments after those of COMMANDS. */
  readonly args?: readonly string[];
}

/** Files of a certificate, in PEM format. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

/** `folder` is empty, the process's own, and removed when it ends. */
interface Place {
  readonly port: number;
  readonly folder: string;
  readonly tls: TlsFiles | undefined;
}
type CommandOf = (place: Place) => readonly string[];

/** What nginx answers to a GET: as long as the service's answer is. */
const CONSTANT = JSON.stringify({ status: "OK", key: "key:00000", value: "v".repeat(100) });
const READY_WITHIN_MS = 10_000;
const POLL_MS = 2;

/** Arguments of each program. */
const COMMANDS: Readonly<Record<ForeignName, CommandOf>> = {
  "valkey-server": redisArguments,
  "redis-server": redisArguments,
  memcached: ({ port }) => [
    ...["-l", "127.0.0.1", "-p", `${port}`, "-U", "0", "-t", "1", "-m", "8192"],
    // It does not run as root unless it is told to.
    ...(process.getuid?.() === 0 ? ["-u", "root"] : []),
  ],
  nginx: ({ folder }) => ["-p", folder, "-e", "stderr", "-c", join(folder, "conf")],
  pogocache: ({ port }) => ["-h", "127.0.0.1", "-p", `${port}`, "--threads", "1"],
  go: ({ port }) => [`${port}`],
};
const SHOWN_NAMES: Readonly<Record<ForeignName, string>> = {
  "valkey-server": "Valkey",
  "redis-server": "Redis",
  ...{ pogocache: "pogocache", memcached: "memcached", nginx: "nginx", go: "Go" },
};
const FLOOR_LABELS: Readonly<Record<FloorName, string>> = {
  static: "Bun, static route",
  dynamic: "Bun, route in JavaScript",
  lru: "Bun and quick-lru",
  resp: "Bun.listen, a constant",
};

function redisArguments({ port, folder, tls }: Place): string[] {
  const ports =
    tls === undefined
      ? ["--port", `${port}`]
      : [
          ...["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no"],
          ...["--tls-cert-file", tls.certificate, "--tls-key-file", tls.key],
          ...["--tls-ca-cert-file", tls.certificate],
        ];
  return [
    ...[...ports, "--bind", "127.0.0.1", "--dir", folder],
    ...["--save", "", "--appendonly", "no", "--loglevel", "warning"],
  ];
}

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

/**
 * The programs of these names in the folders and on PATH: one of each version, in the order of the
 * names, and of one name in the order of the folders.
 */
export async function findPrograms(
  names: readonly ForeignName[],
  folders: readonly string[],
): Promise<Program[]> {
  const places = [...folders, ...(process.env["PATH"] ?? "").split(":")];
  const found = new Map<string, Program>();
  for (const name of names) {
    for (const path of places.map((folder) => join(folder, name)).filter(isExecutable)) {
      const label = `${SHOWN_NAMES[name]} ${await versionOf(name, path)}`;
      if (!found.has(label)) found.set(label, { name, path, label });
    }
  }
  return [...found.values()];
}

/** Builds the Go program of bench/go into the folder, on both of its servers. Empty if it cannot be built. */
export async function buildGo(folder: string): Promise<Program[]> {
  if (Bun.which("go") === null) {
    console.log("go is not on PATH: skipped");
    return [];
  }
  const path = join(folder, "go-server");
  const source = new URL("../go/", import.meta.url).pathname;
  const build = Bun.spawnSync(["go", "build", "-o", path, "."], { cwd: source });
  if (build.exitCode !== 0) {
    console.log(`bench/go cannot be built: skipped: ${build.stderr.toString()}`);
    return [];
  }
  return ["fasthttp", "net/http"].map((server) => {
    return { name: "go", path, label: `Go, ${server}`, args: [server] };
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts the service with one worker, both protocols on. */
export async function startOurs(
  core: number | undefined,
  ...options: readonly string[]
): Promise<Peer> {
  const port = freePort();
  // Of two flags of one name the later counts.
  const service = await startService(core, "--workers", "1", "--resp-port", `${port}`, ...options);
  return { ...service, name: "ringcache", label: "ringcache", port };
}

/** Starts a floor of floors.ts. */
export async function startFloorPeer(name: FloorName, core: number | undefined): Promise<Peer> {
  const floor = await startFloor(name, core);
  return {
    ...floor,
    name: "floor",
    label: FLOOR_LABELS[name],
    port: Number(new URL(floor.url).port),
  };
}

/** Starts another server: that of a name on PATH, or a program. Throws if it does not listen in time. */
export async function startForeign(
  wanted: ForeignName | Program,
  core: number | undefined,
  tls?: TlsFiles,
): Promise<Peer> {
  const program =
    typeof wanted === "string" ? { name: wanted, path: wanted, label: wanted } : wanted;
  const { name, path, label, args = [] } = program;
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const port = freePort();
  if (name === "nginx") await Bun.write(join(folder, "conf"), nginxConfig(port, folder));
  const command = [path, ...COMMANDS[name]({ port, folder, tls }), ...args];
  const child = Bun.spawn(pinned(core, command), { stdout: "ignore", stderr: "inherit" });
  const server = benchServer(child, `http://127.0.0.1:${port}`);
  const stop = async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  };
  const expiresAtMs = performance.now() + READY_WITHIN_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > expiresAtMs) {
      await stop();
      throw new Error(`${label} did not start`);
    }
    await Bun.sleep(POLL_MS);
  }
  return { ...server, name, label, port, [Symbol.asyncDispose]: stop };
}

/** "redis-server 7.0.15". */
export async function describePeer(name: ForeignName): Promise<string> {
  return `${name} ${await versionOf(name, name)}`;
}

async function versionOf(name: ForeignName, path: string): Promise<string> {
  const child = Bun.spawn([path, name === "nginx" ? "-v" : "--version"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  const version = /\d+\.\d+(\.\d+)?/.exec((await Promise.all(texts)).join(""))?.[0];
  return version ?? "of unknown version";
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
