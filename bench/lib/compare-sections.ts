// The sections of bench compare: which servers take part, under which loads.

import { join } from "node:path";

import { median } from "simple-statistics";
import { generate } from "selfsigned";

import {
  checkMisses,
  fillHttp,
  fillKeys,
  httpLoads,
  type LoadOptions,
  ownLoads,
  PLAIN,
  type RespLoad,
  respLoads,
} from "./compare-loads.ts";
import { startRows, startTable } from "./compare-start.ts";
import {
  type CompareLoad,
  costsOf,
  costTable,
  markdown,
  measureRounds,
  type Run,
} from "./compare-run.ts";
import { LOAD_CORE } from "./loads.ts";
import {
  type ForeignName,
  type Peer,
  type Program,
  startFloorPeer,
  startForeign,
  startOurs,
  type TlsFiles,
} from "./peers.ts";
import type { FloorName } from "./server.ts";

/** What a section is told, and where it keeps its results. */
export interface Bench {
  readonly programs: readonly Program[];
  /** For files of the run. */
  readonly folder: string;
  readonly rounds: number;
  readonly requests: number;
  /** Runs to resume with. */
  readonly earlier: readonly Run[];
  keep(part: { readonly runs: readonly Run[]; readonly rows?: readonly object[] }): Promise<void>;
}
interface Section {
  readonly title: string;
  readonly method: string;
  /** Measures, keeps the results, and returns the tables as Markdown. */
  measure(bench: Bench): Promise<string>;
}

const SERVER_CORE = 0;
const SPEAKS_RESP: readonly ForeignName[] = ["valkey-server", "redis-server", "pogocache"];
/** Built with TLS. */
const SPEAKS_TLS: readonly ForeignName[] = ["valkey-server", "redis-server"];
const MEMORY_ROUNDS = 3;
const ENTRY_BYTES = 16 + 100;
/** A table that has just doubled counts for more bytes: so two numbers of entries. */
const MEMORY_KINDS = [1_000_000, 5_000_000].flatMap((entries) =>
  [0, 3600].map((ttlSeconds) => ({ entries, ttlSeconds })),
);
/** Time from the start until a server has freed what only its start needs. */
const RESTED_MS = 4000;
const SETTLE_MS = 1000;

const BASICS = (["GET", "SET"] as const).flatMap((name) =>
  [1, 16].map((pipeline): RespLoad => ({ name, pipeline })),
);
const ALL_RESP: readonly RespLoad[] = [
  ...(["GET", "SET", "INCR"] as const).flatMap((name) =>
    [1, 16, 64].map((pipeline): RespLoad => ({ name, pipeline })),
  ),
  { name: "MGET of 10", pipeline: 1 },
  { name: "MSET of 10", pipeline: 1 },
];
const ONE_BY_ONE = BASICS.filter(({ pipeline }) => pipeline === 1);
/** The keys of each size have 100 MB of values together. */
const SIZES = [
  { suffix: ", values of 1 KB", keys: 100_000, valueBytes: 1024, share: 1 },
  { suffix: ", values of 10 KB", keys: 10_000, valueBytes: 10_240, share: 0.5 },
  { suffix: ", values of 100 KB", keys: 1000, valueBytes: 102_400, share: 0.1 },
] as const;
const KEY_COUNTS = [
  { suffix: ", 1 million keys", keys: 1_000_000 },
  { suffix: ", 10 million keys", keys: 10_000_000 },
] as const;

export const SECTIONS: Readonly<Record<string, Section>> = {
  resp: {
    title: "Redis protocol",
    method: "redis-benchmark, 50 connections, 100,000 keys, values of 100 bytes",
    measure: (bench) =>
      measureParts(bench, [
        {
          suffix: "",
          peers: [OURS, "resp", ...programsOf(bench, SPEAKS_RESP)],
          loads: (peers) => filled(peers, ALL_RESP, { ...PLAIN, requests: bench.requests }),
        },
      ]),
  },
  http: {
    title: "HTTP",
    method: "oha, 64 connections, 100,000 keys, values of 100 bytes",
    measure: (bench) =>
      measureParts(bench, [
        {
          suffix: "",
          peers: [
            ...([OURS, "static", "dynamic", "lru"] as const),
            ...programsOf(bench, ["go", "pogocache", "nginx"]),
          ],
          loads: (peers) => filledHttp(bench, peers, LOAD_CORE),
        },
      ]),
  },
  memcached: {
    title: "memcached",
    method: "one client for both protocols, 50 connections, 100,000 keys, values of 100 bytes",
    measure: (bench) =>
      measureParts(bench, [
        {
          suffix: "",
          peers: [OURS, ...programsOf(bench, ["memcached"])],
          async loads(peers) {
            for (const peer of peers) await fillKeys(peer, PLAIN);
            return ownLoads(peers, { ...PLAIN, requests: bench.requests });
          },
        },
      ]),
  },
  tls: {
    title: "TLS",
    method: "redis-benchmark over TLS, 50 connections, 100,000 keys, values of 100 bytes",
    async measure(bench) {
      const tls = await makeCertificate(bench.folder);
      const options = { ...PLAIN, requests: bench.requests, isTls: true };
      const peers = [OURS, ...programsOf(bench, SPEAKS_TLS)];
      return await measureParts(bench, [
        { suffix: "", peers, tls, loads: (started) => filled(started, BASICS, options) },
      ]);
    },
  },
  workers: {
    title: "Workers",
    method: "redis-benchmark and oha as above; neither servers nor loads are pinned to a core",
    measure: (bench) => measureParts(bench, [{ suffix: "", ...workersOf(bench) }]),
  },
  values: {
    title: "Larger values",
    method: "redis-benchmark, 50 connections, 100 MB of values",
    measure: (bench) =>
      measureParts(
        bench,
        SIZES.map(({ suffix, share, ...size }) => ({
          ...{ suffix, peers: [OURS, ...programsOf(bench, SPEAKS_RESP)] },
          loads: (peers) =>
            filled(peers, ONE_BY_ONE, {
              ...{ ...PLAIN, ...size, requests: Math.ceil(bench.requests * share) },
            }),
        })),
      ),
  },
  keys: {
    title: "More keys",
    method: "redis-benchmark, 50 connections, values of 100 bytes",
    measure: (bench) =>
      measureParts(
        bench,
        KEY_COUNTS.map(({ suffix, keys }) => ({
          ...{
            suffix,
            peers: [LARGE, ...programsOf(bench, SPEAKS_RESP)],
          },
          loads: (peers) => filled(peers, BASICS, { ...PLAIN, keys, requests: bench.requests }),
        })),
      ),
  },
  memory: {
    title: "Memory per entry",
    method: "resident memory of a fresh process, keys of 16 and values of 100 bytes",
    measure: measureMemory,
  },
  start: {
    title: "Start",
    method: "a fresh process, pinned to one core",
    async measure(bench) {
      const rows = await startRows(
        [
          () => start(OURS),
          () => start("dynamic"),
          ...programsOf(bench, [
            "valkey-server",
            "redis-server",
            "pogocache",
            "memcached",
            "go",
          ]).map((program) => () => start(program)),
        ],
        bench.rounds,
      );
      await bench.keep({ runs: [], rows });
      return startTable(rows);
    },
  },
};

/** A server to start: the service with options, a floor, or a program. */
type Contestant =
  { readonly options: readonly string[]; readonly label?: string } | FloorName | Program;
const OURS = { options: ["--memory", "1gb"] } as const;
const LARGE = { options: ["--memory", "4gb"] } as const;

interface Part {
  /** Ends the name of each of its loads. */
  readonly suffix: string;
  readonly peers: readonly Contestant[];
  readonly tls?: TlsFiles;
  /** Undefined pins the servers to SERVER_CORE. */
  readonly isFree?: boolean;
  /** Fills the servers. */
  loads(peers: readonly Peer[]): Promise<CompareLoad[]>;
}

/** Each part has servers of its own, which end with it. */
async function measureParts(bench: Bench, parts: readonly Part[]): Promise<string> {
  const runs: Run[] = [];
  for (const { suffix, peers, tls, isFree = false, loads } of parts) {
    const earlier = bench.earlier.filter(({ load }) => load.endsWith(suffix));
    const [first] = earlier;
    const done = earlier.filter(
      ({ load, server }) => load === first?.load && server === first.server,
    );
    if (done.length >= bench.rounds) {
      runs.push(...earlier);
      continue;
    }
    await using stack = new AsyncDisposableStack();
    const started: Peer[] = [];
    for (const each of peers) {
      try {
        started.push(stack.use(await start(each, isFree ? undefined : SERVER_CORE, tls)));
      } catch (error) {
        // A program may be built without TLS.
        if (tls === undefined) throw error;
        console.log(`${String(error)} with TLS: skipped`);
      }
    }
    const named = (await loads(started)).map((load) => ({ ...load, load: load.load + suffix }));
    const before = [...runs];
    const measured = await measureRounds(named, bench.rounds, earlier, (some) =>
      bench.keep({ runs: [...before, ...some] }),
    );
    await checkMisses(started, tls !== undefined);
    runs.push(...measured);
  }
  return costTable(costsOf(runs, "ringcache"), "ringcache");
}

async function start(
  contestant: Contestant,
  core: number | undefined = SERVER_CORE,
  tls?: TlsFiles,
): Promise<Peer> {
  if (typeof contestant === "string") return await startFloorPeer(contestant, core);
  if ("path" in contestant) return await startForeign(contestant, core, tls);
  const { options, label = "ringcache" } = contestant;
  const files = tls === undefined ? [] : ["--tls-cert", tls.certificate, "--tls-key", tls.key];
  // Shedding would refuse requests where the machine is busy.
  const peer = await startOurs(core, "--shed-after-ms", "0", ...files, ...options);
  return { ...peer, label };
}

function programsOf(bench: Bench, names: readonly ForeignName[]): Program[] {
  return names.flatMap((name) => bench.programs.filter((program) => program.name === name));
}

async function filled(
  peers: readonly Peer[],
  loads: readonly RespLoad[],
  options: LoadOptions,
): Promise<CompareLoad[]> {
  for (const peer of peers) await fillKeys(peer, options);
  return respLoads(peers, loads, options);
}

async function filledHttp(
  bench: Bench,
  peers: readonly Peer[],
  core: number | undefined,
): Promise<CompareLoad[]> {
  const options = { ...PLAIN, requests: bench.requests, core };
  for (const peer of peers) await fillHttp(peer, options.valueBytes);
  return await httpLoads(peers, bench.folder, options);
}

/** One worker is 1. Nothing is pinned: with two workers the load shares their cores. */
function workersOf(bench: Bench): Pick<Part, "peers" | "isFree" | "loads"> {
  const more = (count: number) => ({
    options: [...OURS.options, "--workers", `${count}`],
    label: `${count} workers`,
  });
  const threads = (name: ForeignName, flag: string) =>
    programsOf(bench, [name]).map((program): Program => {
      return { ...program, label: `${program.label}, 2 threads`, args: [flag, "2"] };
    });
  const others = [
    ...threads("valkey-server", "--io-threads"),
    ...threads("pogocache", "--threads"),
  ];
  return {
    ...{ isFree: true, peers: [OURS, more(2), more(4), ...others] },
    async loads(peers) {
      const options = { ...PLAIN, requests: bench.requests, core: undefined };
      const ours = peers.filter(({ name }) => name === "ringcache");
      const resp = await filled(peers, BASICS, options);
      return [...resp, ...(await filledHttp(bench, ours, undefined))];
    },
  };
}

async function makeCertificate(folder: string): Promise<TlsFiles> {
  const pair = await generate([{ name: "commonName", value: "localhost" }], { keyType: "ec" });
  const files = { certificate: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  await Bun.write(files.certificate, pair.cert);
  await Bun.write(files.key, pair.private);
  return files;
}

interface MemoryRow {
  readonly server: string;
  readonly entries: number;
  readonly ttlSeconds: number;
  readonly bytesPerEntry: number;
}

/** Resident bytes per entry beyond key and value, each time in a process that has held nothing before. */
async function measureMemory(bench: Bench): Promise<string> {
  const rows: MemoryRow[] = [];
  const servers = [LARGE, ...programsOf(bench, [...SPEAKS_RESP, "memcached"])];
  for (let round = 0; round < Math.min(bench.rounds, MEMORY_ROUNDS); round++) {
    for (const server of servers) {
      for (const { entries, ttlSeconds } of MEMORY_KINDS) {
        await using peer = await start(server);
        await Bun.sleep(RESTED_MS);
        const before = peer.rssBytes();
        const size = { keys: entries, valueBytes: PLAIN.valueBytes };
        await fillKeys(peer, size, ttlSeconds === 0 ? undefined : ttlSeconds);
        await Bun.sleep(SETTLE_MS);
        const bytesPerEntry = (peer.rssBytes() - before) / entries;
        rows.push({ server: peer.label, entries, ttlSeconds, bytesPerEntry });
      }
    }
  }
  await bench.keep({ runs: [], rows });
  return memoryTable(rows);
}

function memoryTable(rows: readonly MemoryRow[]): string {
  const beyond = (server: string, entries: number, ttlSeconds: number) => {
    const some = rows.filter((row) => {
      return row.server === server && row.entries === entries && row.ttlSeconds === ttlSeconds;
    });
    return median(some.map(({ bytesPerEntry }) => bytesPerEntry)) - ENTRY_BYTES;
  };
  return markdown(
    [
      "bytes per entry beyond key and value",
      ...MEMORY_KINDS.map(({ entries, ttlSeconds }) => {
        return `${entries / 1e6} million${ttlSeconds === 0 ? "" : ", with TTL"}`;
      }),
    ],
    [...new Set(rows.map(({ server }) => server))].map((server) => [
      server,
      ...MEMORY_KINDS.map(({ entries, ttlSeconds }) =>
        beyond(server, entries, ttlSeconds).toFixed(0),
      ),
    ]),
  );
}
