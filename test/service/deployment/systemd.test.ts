// deploy/systemd, and what the service reports to systemd. Without systemd's own programs the unit is
// compared with the options only.

import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readConfig } from "../../../src/config/config.ts";
import { variablesOf } from "../../../src/config/parse.ts";
import { OPTIONS } from "../../../src/config/table.ts";
import { EXIT_DATA, EXIT_SYSTEM, EXIT_USAGE } from "../../../src/service/exit.ts";
import { startService } from "../../lib/service.ts";

const FOLDER = new URL("../../../deploy/systemd/", import.meta.url).pathname;
const unit = await Bun.file(`${FOLDER}ringcache.service`).text();
const settings = new Map(
  [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
);

test("the variables of the unit and of the example are options of the service", async () => {
  const known = Object.entries(OPTIONS).flatMap(([name, row]) =>
    variablesOf(name, row, "RINGCACHE_"),
  );
  const example = await Bun.file(`${FOLDER}ringcache.env`).text();
  const used = [...unit.matchAll(/RINGCACHE_\w+/g), ...example.matchAll(/RINGCACHE_\w+(?==)/g)];
  expect(used.length).toBeGreaterThan(5);
  for (const [name] of used) expect(known).toContain(name);
  // Each line of the example is allowed, also those behind a comment sign.
  const lines = [...example.matchAll(/^#?(RINGCACHE_\w+)=(.+)$/gm)];
  readConfig([], Object.fromEntries(lines.map(([, name, value]) => [name, value])));
});

test("the memory and the open files of the unit suffice for the defaults", () => {
  const descriptors = Number(settings.get("LimitNOFILE"));
  const machine = { memoryBytes: 2 * 2 ** 30, descriptors, cores: 8 };
  expect(settings.get("MemoryMax")).toBe("2G");
  const { memory, maxConnections, plan } = readConfig(["--data-dir", "x"], {}, machine);
  expect([memory, maxConnections]).toEqual([2 ** 30, plan.requestedConnections]);
  expect(plan.neededBytes).toBeLessThanOrEqual(machine.memoryBytes);
});

test("errors that another start would not repair do not start it again", () => {
  const codes = [EXIT_USAGE, EXIT_DATA, EXIT_SYSTEM].join(" ");
  expect(settings.get("RestartPreventExitStatus")).toBe(codes);
  expect(settings.has("MemoryDenyWriteExecute")).toBe(false);
});

const receiver = Bun.which("python3");

test.skipIf(receiver === null)(
  "with NOTIFY_SOCKET the service reports that it is ready, and with WATCHDOG_USEC that it runs (python3)",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringcache-systemd-"));
    const path = join(folder, "notify");
    const script = `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(path)})
print("bound", flush=True)
for _ in range(3): print(s.recv(64).decode(), flush=True)`;
    const child = Bun.spawn([receiver ?? "", "-c", script], { stdout: "pipe" });
    try {
      const lines = linesOf(child.stdout);
      expect(await lines.next()).toEqual({ value: "bound", done: false });
      await using _ = await startService([], { NOTIFY_SOCKET: path, WATCHDOG_USEC: "100000" });
      const received = [await lines.next(), await lines.next(), await lines.next()];
      expect(received.map(({ value }) => value)).toEqual(["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    } finally {
      child.kill();
      await rm(folder, { recursive: true });
    }
  },
);

test("a NOTIFY_SOCKET without a reader is a warning, and the service serves", async () => {
  await using service = await startService([], { NOTIFY_SOCKET: "/nonexistent/notify" });
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  service.kill("SIGTERM");
  const { code, stdout } = await service.exit;
  expect(code).toBe(0);
  expect(stdout).toContain("warn supervisor not notified socket=/nonexistent/notify");
});

const analyze = Bun.which("systemd-analyze");

test.skipIf(analyze === null)(
  "systemd accepts the unit, and its exposure is low (systemd-analyze)",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringcache-systemd-"));
    try {
      const path = join(folder, "ringcache.service");
      // The program need not be installed.
      await Bun.write(path, unit.replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath}`));
      const verified = await Bun.$`${analyze} verify ${path} 2>&1`.quiet().nothrow();
      expect([verified.exitCode, verified.text()]).toEqual([0, ""]);
      const security = ["security", "--offline=true", "--threshold=15", "--no-pager"];
      const { exitCode, stdout } = await Bun.$`${analyze} ${security} ${path}`.quiet().nothrow();
      expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining("OK")]);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
