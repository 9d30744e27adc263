// The log lines at the start about settings that will not do what their user expects.

import { expect, test } from "bun:test";

import { readConfig } from "../../../src/config/config.ts";
import type { Credentials } from "../../../src/security/credentials.ts";
import { Logger } from "../../../src/service/logger.ts";
import { warnAboutSettings } from "../../../src/process/start-warnings.ts";
import { startService } from "../../lib/service.ts";

const MB = 2 ** 20;
const MACHINE = { memoryBytes: 24_000 * MB, descriptors: 2 ** 20, cores: 2 };
const OPEN: Credentials = { tokens: { authToken: "", readToken: "" }, tls: undefined };

/** Returns the warnings of a start, without time and level. */
function warningsOf(options: readonly string[], changes = {}, credentials = OPEN): string[] {
  const config = readConfig(options, {}, { ...MACHINE, ...changes });
  const lines: string[] = [];
  const logger = new Logger("text", "warn", (line) => lines.push(line));
  const cache = {
    ...({ store: "shared", shards: 64, virtualNodes: 8, memoryBytes: MB, evicts: true } as const),
    ...{ maxKeyBytes: 256, maxValueBytes: 256, defaultTtlMs: Infinity, maxTtlMs: Infinity },
  };
  warnAboutSettings({ config, credentials, requested: cache, fitted: cache, env: {} }, logger);
  return lines.map((line) => line.trimEnd().replace(/^\S+ warn /, ""));
}

test("a service on all addresses without a token logs that it is open to the network", () => {
  const [line = "", ...more] = warningsOf(["--host", "0.0.0.0"]);
  expect(line).toStartWith("open to the network host=0.0.0.0 reason=");
  expect(line).toContain("--auth-token-file");
  expect(more).toEqual([]);
  for (const host of ["::", "192.0.2.1", "cache.example", "127.example.org"]) {
    expect([host, warningsOf(["--host", host]).length]).toEqual([host, 1]);
  }
});

test("a service on the loopback, with a token, or with client certificates does not log it", () => {
  for (const host of ["127.0.0.1", "127.0.0.53", "localhost", "::1"]) {
    expect([host, warningsOf(["--host", host])]).toEqual([host, []]);
  }
  expect(warningsOf([], {}, { ...OPEN, tokens: { authToken: "t", readToken: "" } })).toEqual([]);
  const tls = { cert: "", key: "", ca: "" };
  expect(warningsOf([], {}, { ...OPEN, tls })).toEqual([]);
  expect(warningsOf([], {}, { ...OPEN, tls: { ...tls, ca: undefined } })).toHaveLength(1);
});

test("sizes that exceed the memory are logged with numbers, and with sizes that fit", () => {
  const local = ["--host", "127.0.0.1"];
  const [large = ""] = warningsOf([...local, "--memory", "100gb"]);
  expect(large).toMatch(/^too little memory needed=118\d{3}mb available=24000mb memory=100gb /);
  expect(large).toMatch(/set --memory 2\d{4}mb at most"$/);
  const [small = ""] = warningsOf(local, { memoryBytes: 64 * MB });
  expect(small).toMatch(/^too little memory needed=\d+mb available=64mb memory=1mb /);
  expect(small).toContain(", or lower --workers, --max-connections or --max-pending-bytes");
});

test("a limit of open files that reduces the connections is logged", () => {
  const [line] = warningsOf(["--host", "127.0.0.1"], { descriptors: 1024 });
  expect(line).toMatch(
    /^fewer connections max_connections=\d{3} wanted=10000 reason="the limit of open files is 1024; raise `ulimit -n`"$/,
  );
});

test("under ulimit -n 64 the service logs it, and serves fewer connections", async () => {
  const limited = ["/bin/sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"];
  await using service = await startService(["--workers", "1"], {}, limited);
  const stats = (await (await fetch(`${service.url}/stats`)).json()) as { max_connections: number };
  expect(stats.max_connections).toBe(24);
  service.kill("SIGTERM");
  const { code, stdout } = await service.exit;
  expect(code).toBe(0);
  expect(stdout).toContain(" warn fewer connections max_connections=24 wanted=10000 ");
});
