// The screen for given stats: it fits its size, has the important values, and escapes keys.

import { describe, expect, test } from "bun:test";

import { sampleOf } from "../../../src/live/history.ts";
import type { LiveStats, UpstreamView } from "../../../src/live/stats.ts";
import { frame, type Size, type View } from "../../../src/top/frame.ts";
import { History } from "../../../src/top/history.ts";
import { NASTY_KEYS, sampleStats } from "../../lib/live-stats.ts";

const SIZES: readonly Size[] = [
  { columns: 80, rows: 24 },
  { columns: 40, rows: 15 },
  { columns: 200, rows: 60 },
  { columns: 79, rows: 3 },
  { columns: 7, rows: 7 },
  { columns: 1, rows: 1 },
];
const NORMAL: Size = { columns: 80, rows: 24 };

const STATS: Readonly<Record<string, LiveStats>> = {
  busy: sampleStats(),
  idle: sampleStats({
    requestsPerSecond: 0,
    hitRatio: null,
    latencyMs: null,
    entries: 0,
    hotKeys: { sampled: 0, oneIn: 16, keys: [] },
    snapshot: { isEnabled: false, lastMs: 0, hasFailed: false },
  }),
  empty: sampleStats({ workers: [], shards: [], memory: zeroMemory() }),
  huge: sampleStats({
    version: "\x1b[31m\n".repeat(20),
    requestsPerSecond: 1e15,
    entries: 1e18,
    clients: { http: 1e12, resp: 1e12 },
    workers: Array.from({ length: 256 }, (_, worker) => {
      return { worker, load: 1, requestsPerSecond: 1e9 };
    }),
  }),
  absurd: sampleStats({
    requestsPerSecond: -1,
    hitRatio: 7,
    memory: { ...zeroMemory(), maxBytes: -5, usedBytes: 1e300 },
    workers: [{ worker: -1, load: -3, requestsPerSecond: -1e300 }],
    hotKeys: { sampled: -1, oneIn: 0, keys: [{ key: "", count: -1e21, error: 1e21 }] },
  }),
};

describe("the screen", () => {
  for (const [kind, stats] of Object.entries(STATS)) {
    test(`fits every size, with ${kind} stats`, () => {
      for (const size of SIZES) {
        for (const trouble of [undefined, "connection refused"]) {
          const lines = frame(viewOf(stats, { trouble }), size, true);
          const widest = Math.max(...lines.map((line) => Bun.stringWidth(line)));
          expect([size, widest <= size.columns]).toEqual([size, true]);
          expect([size, lines.length <= size.rows]).toEqual([size, true]);
        }
      }
    });

    test(`has no escape codes except its own tones, with ${kind} stats`, () => {
      for (const size of SIZES) {
        const coloured = frame(viewOf(stats), size, true);
        const plain = frame(viewOf(stats), size, false);
        expect(coloured.map((line) => line.replace(/\x1b\[(0|1|2|33)m/g, ""))).toEqual(plain);
        for (const line of plain) expect(line).not.toMatch(/[\p{C}\p{M}\p{Emoji_Presentation}]/u);
      }
    });
  }

  test("shows state, rates, memory and hot keys on 80 columns and 24 rows", () => {
    const text = textOf(sampleStats());
    for (const part of [
      "ringcache 0.1.0  serving  up 3 d 03:52:08  4 workers  http://localhost:7171",
      "123,456/s",
      "93.41 %",
      "p50 0.123 ms  p99 0.456 ms  p99.9 1.234 ms",
      "71.2 %  729 MiB of 1.00 GiB",
      "live 650 MiB  dead 20.0 MiB  expired 3.00 MiB  overhead 56.0 MiB",
      "1,234,567  evictions 0/s  expirations 13/s",
      "1.17 GiB resident  http clients 12  resp clients 3",
      "12 s ago",
      "0 █████  92 % 55.2k/s",
      "64 shards  entries, fewest 18,000  mean 19,166  most 20,331",
      "12,345 reads sampled, one in 16",
      "1,300      0  user:1001",
      "\\x1b[2J\\x1b]0;owned\\x07",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("fills 200 columns and 50 rows with curves, and has tables side by side", () => {
    const size = { columns: 200, rows: 50 };
    const history = new History();
    const past = Array.from({ length: 300 }, (_, second) => {
      return sampleOf(sampleStats({ timeMs: second * 1000, requestsPerSecond: second }));
    });
    history.addPast(past, 1_000_000);
    const lines = frame({ ...viewOf(sampleStats()), history, nowMs: 1_000_000 }, size, false);
    expect(lines.length).toBeWithin(49, 51);
    expect(lines.some((line) => /hot keys .* commands /.test(line))).toBe(true);
    // The history of the service fills the curve from its first column on.
    const [, first = ""] = /123,456\/s +(\S*)/.exec(lines[2] ?? "") ?? [];
    expect(first).not.toBe("");
    expect(Math.max(...lines.slice(2, 20).map((line) => line.trimEnd().length))).toBeGreaterThan(
      185,
    );
  });

  test("shows the near cache and its primaries, and warns of one without trust", () => {
    const upstream: UpstreamView = {
      ...{ mode: "cluster", slotsCovered: 10_923, nearHitRatio: 0.942, flushes: 2, inFlight: 17 },
      ...{ nearHitsPerSecond: 81_200, nearMissesPerSecond: 5000, fillsPerSecond: 4800 },
      ...{ dropsPerSecond: 12, invalidationsPerSecond: 640, errorsPerSecond: 3 },
      primaries: [
        { address: "10.0.0.1:6379", isTrusted: true, beatAgeMs: 84, slots: 5461 },
        { address: "\x1b[2J:6379", isTrusted: false, beatAgeMs: null, slots: 5461 },
      ],
    };
    const text = textOf(sampleStats({ upstream }));
    for (const part of [
      "cluster  near hits 94.2 %  hits 81,200/s  fills 4,800/s  drops 12/s",
      "slots 10,923 of 16,384",
      "10.0.0.1:6379 trusted 84 ms  \\x1b[2J:6379 not trusted no beat",
    ]) {
      expect(text).toContain(part);
    }
    expect(textOf(sampleStats())).not.toContain("primaries");
  });

  test("shows the keys as help, within any size", () => {
    for (const size of SIZES) {
      const lines = frame({ ...viewOf(sampleStats()), isHelp: true }, size, false);
      expect(lines.length).toBeLessThanOrEqual(size.rows);
      for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(size.columns);
    }
    const help = frame({ ...viewOf(sampleStats()), isHelp: true }, NORMAL, false).join("\n");
    expect(help).toContain("q, Ctrl-C");
    expect(help).not.toContain("…");
  });

  test("shows the most important values on 40 columns and 15 rows", () => {
    const text = textOf(sampleStats(), { columns: 40, rows: 15 });
    for (const part of ["serving", "123,456/s", "93.41 %", "p99 0.456", "71.2 %", "user:1001"]) {
      expect(text).toContain(part);
    }
  });

  test("shows more keys on more rows, and never a key without the heading", () => {
    let before = 0;
    for (let rows = 1; rows <= 40; rows++) {
      const text = textOf(sampleStats(), { columns: 80, rows });
      const keys = text.split("\n").filter((line) => /^ {11} *[\d,]+ +\d+ {2}\S/.test(line)).length;
      expect([rows, keys >= before || before <= 3]).toEqual([rows, true]);
      expect([rows, keys > 0]).toEqual([rows, text.includes("hot keys")]);
      before = keys;
    }
    expect(before).toBe(NASTY_KEYS.length);
  });

  test("shows a summary of workers that would need too many rows", () => {
    const workers = Array.from({ length: 32 }, (_, worker) => {
      return { worker, load: worker / 62, requestsPerSecond: 1000 };
    });
    const text = textOf(sampleStats({ workers }));
    expect(text).toContain("32 workers  load mean 25 %  most 50 %");
  });

  test("shows keys that are not text as base64", () => {
    const keys = [{ key: "AAEC/w==", encoding: "base64" as const, count: 5, error: 0 }];
    expect(textOf(sampleStats({ hotKeys: { sampled: 5, oneIn: 1, keys } }))).toContain(
      "base64 AAEC/w==",
    );
  });

  test("shows curves of earlier stats, the latest at the right", () => {
    const history = new History();
    for (let second = 0; second < 300; second++) {
      history.add(sampleStats({ requestsPerSecond: second, hitRatio: 1 }), second * 1000);
    }
    const view = { ...viewOf(sampleStats()), history, nowMs: 299_999 };
    const [requests = "", hitRatio = ""] = frame(view, NORMAL, false).slice(2);
    expect(requests).toMatch(/ ▁+▂+▃+▄+▅+▆+▇+█+ of 29\d\/s$/);
    expect(hitRatio).toMatch(/ █{40,} of 100 %$/);
  });
});

describe("warnings", () => {
  const warned = (changes: Partial<LiveStats>, trouble?: string) => {
    const lines = frame(viewOf(sampleStats(changes), { trouble }), NORMAL, true).join("\n");
    return [...lines.matchAll(/\x1b\[33m(.*?)\x1b\[0m/g)].map(([, text]) => text);
  };

  test("do not appear for a healthy service, also with a low hit ratio", () => {
    expect(warned({ hitRatio: 0.01 })).toEqual([]);
  });

  test("appear for a state other than serving, restarts, full memory and a failed snapshot", () => {
    expect(warned({ state: "stopping" })).toEqual(["stopping"]);
    expect(warned({ workerRestarts: 2 })).toEqual(["2 restarts"]);
    const snapshot = { isEnabled: true, lastMs: 0, hasFailed: true };
    expect(warned({ snapshot })).toEqual(["FAILED"]);
    const memory = { ...zeroMemory(), maxBytes: 100, usedBytes: 95 };
    expect(warned({ memory })).toEqual([expect.stringMatching(/^█+░+$/), "95.0 %"]);
  });

  test("appear while the service does not respond, with the reason and the age of the stats", () => {
    expect(warned({}, "connection refused")).toEqual([
      "not connected",
      "no stats from http://localhost:7171: retrying",
      "stats are 7 s old",
    ]);
    const view = {
      ...viewOf(sampleStats(), { trouble: "connection refused" }),
      stats: undefined,
    };
    const lines = frame(view, NORMAL, false);
    expect(lines).toEqual([
      "ringcache  http://localhost:7171",
      "no stats from http://localhost:7171: retrying  (connection refused)  q quits",
    ]);
  });
});

function viewOf(stats: LiveStats, changes: Partial<View> = {}): View {
  const history = new History();
  history.add(stats, 93_000);
  return {
    service: new URL("http://localhost:7171/"),
    stats,
    statsMs: 93_000,
    history,
    nowMs: 100_000,
    hint: "q quits",
    ...changes,
  };
}

function textOf(stats: LiveStats, size = NORMAL): string {
  return frame(viewOf(stats), size, false).join("\n");
}

function zeroMemory(): LiveStats["memory"] {
  return { maxBytes: 0, usedBytes: 0, liveBytes: 0, deadBytes: 0, expiredBytes: 0 };
}
