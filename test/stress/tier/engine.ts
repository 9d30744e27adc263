// The engine under test: redis-servers of the machine on free ports, in a folder that goes with them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Certificates } from "../../lib/certificates.ts";
import { freePort } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { ask } from "./ask.ts";

/** One redis-server. It keeps its port over a restart. */
export interface EngineServer {
  readonly port: number;
  /** The port for nodes: that of TLS, if the engine has it. */
  readonly nodePort: number;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Starts the server again after it has ended. */
  restart(): void;
  /** The process that runs now. */
  readonly child: Bun.Subprocess;
}

export interface EngineCluster extends AsyncDisposable {
  readonly servers: readonly EngineServer[];
  /** The options of a node that name all servers. */
  readonly upstream: readonly string[];
  /** The options of redis-cli at the ports for nodes. MIGRATE needs TLS among servers that use it. */
  readonly cli: readonly string[];
}

/** Programs without which nothing here runs. */
export const MISSING = ["redis-server", "redis-cli"].filter((name) => Bun.which(name) === null);

const PRIMARIES = 3;
const SERVERS = 6;
const ATTEMPTS_MAX = 3;
/** redis-cli waits without end for servers that do not find one another. */
const CREATE_SECONDS_MAX = 20;
const CLI_SECONDS_MAX = 900;
export const NODE_TIMEOUT_MS = 2000;
/** The user of the nodes, with TLS. */
const USER = "near";
const PASSWORD = "a_password/of:the%20nodes";

/** Options of a member. A failover begins after `NODE_TIMEOUT_MS`. */
const MEMBER = [
  ...["--cluster-enabled", "yes", "--cluster-node-timeout", `${NODE_TIMEOUT_MS}`],
  ...["--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"],
  ...["--cluster-replica-validity-factor", "0", "--maxmemory-clients", "20mb"],
];

/**
 * Starts 3 primaries with a replica each; resolves when all of them know it. 2.5 to 4 s. With TLS, the nodes
 * and the servers among themselves use it, and the nodes have a user with a password.
 */
export async function startCluster(hasTls = false): Promise<EngineCluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryCluster(hasTls);
    } catch (error) {
      // Another program may have taken one of the 12 ports.
      if (attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function tryCluster(hasTls: boolean): Promise<EngineCluster> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-tier-"));
  const tls = hasTls ? await prepareTls(folder) : undefined;
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, (_, index) => {
      const options = ["--cluster-port", `${freePort()}`, ...MEMBER, ...(tls?.server ?? [])];
      return startMember(join(folder, `${index}`), options, hasTls ? freePort() : undefined);
    }),
  );
  const seeds = servers.map(({ port }) => `127.0.0.1:${port}`);
  const stop = () => stopAll(servers, folder);
  try {
    const create = ["--cluster", "create", ...seeds, "--cluster-replicas", "1", "--cluster-yes"];
    await redisCli(create, CREATE_SECONDS_MAX);
    await until("all servers see 3 replicas of a cluster in order", () => isWhole(servers));
  } catch (error) {
    await stop();
    throw error;
  }
  const nodeSeeds = servers.map(({ nodePort }) => `127.0.0.1:${nodePort}`).join(",");
  return {
    servers,
    upstream: ["--upstream", `${tls?.scheme ?? ""}${nodeSeeds}`, ...(tls?.node ?? [])],
    cli: tls?.cli ?? [],
    [Symbol.asyncDispose]: stop,
  };
}

/** The options of servers and nodes that use TLS. */
interface TlsOptions {
  readonly server: readonly string[];
  readonly node: readonly string[];
  readonly cli: readonly string[];
  /** The beginning of --upstream. */
  readonly scheme: string;
}

/** Makes certificates and a password in the folder. A node may run as another user, who must be able to read them. */
async function prepareTls(folder: string): Promise<TlsOptions> {
  const password = join(folder, "password");
  const authority = join(folder, "authority.pem");
  const cert = join(folder, "server.pem");
  const key = join(folder, "server.key.pem");
  await using made = await Certificates.create();
  await made.make("server", { authority: "authority" });
  await Bun.write(authority, Bun.file(made.certOf("authority")));
  await Bun.write(cert, Bun.file(made.certOf("server")));
  await Bun.write(key, Bun.file(made.keyOf("server")));
  await Bun.write(password, PASSWORD);
  await Bun.$`chmod -R a+rX ${folder}`.quiet();
  return {
    server: [
      ...["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority],
      ...["--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes"],
      ...["--user", USER, "on", `>${PASSWORD}`, "~*", "&*", "+@all"],
    ],
    node: ["--upstream-password-file", password, "--upstream-tls-ca", authority],
    cli: ["--tls", "--cacert", authority, "--user", USER, "--pass", PASSWORD, "--no-auth-warning"],
    scheme: `rediss://${USER}@`,
  };
}

/** Starts one server that is no cluster. */
export async function startStandalone(...options: string[]): Promise<EngineCluster> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-tier-"));
  const server = await startMember(join(folder, "0"), ["--maxmemory-clients", "20mb", ...options]);
  return {
    servers: [server],
    upstream: ["--upstream", `127.0.0.1:${server.port}`],
    cli: [],
    [Symbol.asyncDispose]: () => stopAll([server], folder),
  };
}

/** Runs redis-cli; resolves with what it prints. Throws if it fails. */
export async function redisCli(
  args: readonly string[],
  seconds = CLI_SECONDS_MAX,
): Promise<string> {
  const limit = ["timeout", `${seconds}`];
  const { exitCode, stdout, stderr } = await Bun.$`${limit} redis-cli ${args}`.nothrow().quiet();
  if (exitCode !== 0) throw new Error(`redis-cli ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout.toString();
}

/** A primary as CLUSTER NODES lists it. */
export interface Primary {
  readonly id: string;
  readonly port: number;
  readonly slots: number;
}

/** Returns the reachable primaries with slots, as a server that answers sees them. */
export async function primariesOf({ servers }: Pick<EngineCluster, "servers">): Promise<Primary[]> {
  const answers = await Promise.all(
    servers.map(async ({ port }) => {
      const nodes = await ask(port, "CLUSTER", "NODES").catch(() => "");
      return { nodes: String(nodes), epoch: (await viewOf(port)).epoch };
    }),
  );
  const best = answers.reduce((one, other) => (other.epoch > one.epoch ? other : one));
  return readPrimaries(best.nodes);
}

/** Returns the server that answers for a key. It only reads: a write would end the near values of the key. */
export async function ownerOf(
  key: string,
  { servers }: Pick<EngineCluster, "servers">,
): Promise<EngineServer> {
  for (const server of servers) {
    const isOwner = await ask(server.port, "GET", key).then(
      () => true,
      () => false,
    );
    if (isOwner) return server;
  }
  throw new Error(`no server answers for ${key}`);
}

/** Returns the server that is primary of the first slots, and its replica. */
export async function pairOf(
  cluster: EngineCluster,
): Promise<{ primary: EngineServer; replica: EngineServer }> {
  const nodes = String(await ask(cluster.servers[0]?.port ?? 0, "CLUSTER", "NODES"));
  const [first] = readPrimaries(nodes);
  const replicaLine = nodes
    .split("\n")
    .find((line) => line.includes(` ${first?.id} `) && !line.includes("fail"));
  const serverAt = (port: number): EngineServer => {
    const found = cluster.servers.find((server) => server.port === port);
    if (found === undefined) throw new Error(`no server has port ${port}: ${nodes}`);
    return found;
  };
  return {
    primary: serverAt(first?.port ?? 0),
    replica: serverAt(Number(/:(\d+)@/.exec(replicaLine ?? "")?.[1])),
  };
}

function readPrimaries(nodes: string): Primary[] {
  return nodes.split("\n").flatMap((line) => {
    const [id = "", address = "", flags = "", ...rest] = line.split(" ");
    const words = flags.split(",");
    if (!words.includes("master") || words.includes("fail")) return [];
    const ranges = rest.slice(5).filter((range) => /^\d/.test(range));
    const slots = ranges.reduce((sum, range) => {
      const [from = 0, to = from] = range.split("-").map(Number);
      return sum + to - from + 1;
    }, 0);
    return slots === 0 ? [] : [{ id, port: Number(/:(\d+)@/.exec(address)?.[1]), slots }];
  });
}

/** Whether all servers answer, and see 3 replicas of a cluster in order. */
export async function isWhole(servers: readonly EngineServer[]): Promise<boolean> {
  const views = await Promise.all(servers.map(({ port }) => viewOf(port)));
  const owners = new Set(views.map((view) => view.owners));
  return (
    owners.size === 1 &&
    views.every(({ isOk, replicas }) => isOk && replicas === SERVERS - PRIMARIES)
  );
}

interface View {
  readonly isOk: boolean;
  readonly replicas: number;
  readonly epoch: number;
  /** The primaries with their slots. */
  readonly owners: string;
}

async function viewOf(port: number): Promise<View> {
  const info = String(await ask(port, "CLUSTER", "INFO").catch(() => ""));
  const nodes = String(await ask(port, "CLUSTER", "NODES").catch(() => ""));
  const lines = nodes.split("\n");
  const replicas = lines.filter(
    (line) => line.includes("slave") && / connected\b/.test(line) && !line.includes("fail"),
  );
  // A slot that is moving follows in brackets, in the view of its own server only.
  const owners = lines.flatMap((line) => {
    const [, id, slots] = /^(\w+) .*\bmaster\b.* connected ([\d -]+)/.exec(line) ?? [];
    return id === undefined ? [] : [`${id} ${slots?.trim()}`];
  });
  return {
    isOk: info.includes("cluster_state:ok") && info.includes("cluster_slots_ok:16384"),
    owners: owners.toSorted().join(),
    replicas: replicas.length,
    epoch: Number(/cluster_current_epoch:(\d+)/.exec(info)?.[1] ?? -1),
  };
}

async function startMember(
  folder: string,
  options: readonly string[],
  tlsPort?: number,
): Promise<EngineServer> {
  const port = freePort();
  await Bun.$`mkdir -p ${folder}`.quiet();
  const command = [
    ...["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", ""],
    ...["--dir", folder, "--enable-debug-command", "local", ...options],
    ...(tlsPort === undefined ? [] : ["--tls-port", `${tlsPort}`]),
  ];
  const start = () => Bun.spawn(command, { stdout: "ignore", stderr: "inherit" });
  let child = start();
  await until("redis-server answers", async () => {
    if (child.exitCode !== null) throw new Error(`redis-server has ended: ${child.exitCode}`);
    return (await ask(port, "PING").catch(() => "")) === "PONG";
  });
  return {
    port,
    nodePort: tlsPort ?? port,
    get pid() {
      return child.pid;
    },
    get child() {
      return child;
    },
    kill: (signal) => child.kill(signal),
    restart: () => {
      child = start();
    },
  };
}

async function stopAll(servers: readonly EngineServer[], folder: string): Promise<void> {
  for (const server of servers) server.kill("SIGKILL");
  await Promise.all(servers.map(({ child }) => child.exited));
  await rm(folder, { recursive: true, force: true });
}
