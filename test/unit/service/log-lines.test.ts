// A log that nobody reads costs lines, and no memory.

import { expect, test } from "bun:test";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { errorCode } from "../../../src/linux/error-code.ts";
import {
  allocateLogLines,
  LogLines,
  LogOutput,
  WAITING_CHARACTERS_MAX,
} from "../../../src/service/log-lines.ts";
import { freePort } from "../../lib/service.ts";

const LINE = `${"x".repeat(1023)}\n`;
const LINES_MAX = WAITING_CHARACTERS_MAX / LINE.length;

/** An output whose stream finishes a line only when the test calls `done`. */
function stalled(lines = new LogLines(allocateLogLines(1))) {
  const waiting: ((error?: Error | null) => void)[] = [];
  const reported: number[] = [];
  const output = new LogOutput(
    (_line, done) => waiting.push(done),
    lines,
    (dropped) => reported.push(dropped),
  );
  return { output, waiting, reported };
}

test("an output drops and counts the lines that exceed the room of a stalled stream", () => {
  const { output, waiting, reported } = stalled();
  for (let n = 0; n < 5000; n++) output.write(LINE);
  expect(waiting).toHaveLength(LINES_MAX);
  expect(output.dropped).toBe(5000 - LINES_MAX);
  expect(reported).toEqual([]);
  // The output reports the dropped lines once, when half of the room is free again.
  for (const done of waiting.splice(0)) done();
  expect(reported).toEqual([5000 - LINES_MAX]);
  output.write(LINE);
  for (const done of waiting.splice(0)) done(null);
  expect(reported).toHaveLength(1);
});

test("a line that cannot be written counts as dropped", () => {
  const { output, waiting, reported } = stalled();
  output.write(LINE);
  waiting.pop()?.(new Error("EPIPE"));
  expect([output.dropped, reported]).toEqual([1, []]);
});

test("each worker has its own bound for the lines that wait for the supervisor", () => {
  const memory = allocateLogLines(2);
  const worker = new LogLines(memory);
  const lines = new LogLines(memory);
  const { output, waiting, reported } = stalled(lines);
  let sent = 0;
  while (worker.trySend(1, LINE)) sent++;
  expect([sent, lines.dropped]).toEqual([LINES_MAX, 1]);
  // The other worker has its own bound.
  expect(worker.trySend(0, LINE)).toBe(true);
  output.writeFrom(1, LINE);
  expect(worker.trySend(1, LINE)).toBe(true);
  waiting.pop()?.();
  expect(reported).toEqual([1]);
  // No line of a worker waits after its end.
  lines.recover(1);
  for (let n = 0; n < LINES_MAX; n++) expect(worker.trySend(1, LINE)).toBe(true);
});

/** A service whose log goes into a FIFO that the test has opened, and does not read. */
async function startUnread() {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-log-"));
  const fifo = join(folder, "log");
  Bun.spawnSync(["mkfifo", fifo]);
  const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY);
  const port = freePort();
  const main = new URL("../../../src/main.ts", import.meta.url).pathname;
  const options = ["--host", "127.0.0.1", "--port", `${port}`, "--resp-port", "0"];
  const command = [process.execPath, main, ...options, "--workers", "1", "--log-requests"];
  const env = { PATH: process.env["PATH"] };
  const service = Bun.spawn(command, { env, stdout: writer, stderr: "inherit" });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/livez`).catch(() => undefined))?.ok);
  const chunk = Buffer.alloc(2 ** 16);
  let log = "";
  return {
    ...{ service, url },
    /** Reads until the log matches. */
    async readUntil(pattern: RegExp): Promise<string> {
      while (!pattern.test(log)) {
        try {
          log += chunk.toString("latin1", 0, readSync(reader, chunk));
        } catch (error) {
          if (errorCode(error) !== "EAGAIN") throw error;
          // There is nothing to read now.
          await Bun.sleep(1);
        }
      }
      return log;
    },
    async [Symbol.asyncDispose]() {
      service.kill("SIGKILL");
      await service.exited;
      for (const descriptor of [reader, writer]) closeSync(descriptor);
      await rm(folder, { recursive: true });
    },
  };
}

/** A path of 8,000 characters: few log lines with it fill the room for waiting lines. */
const LONG_PATH = "p".repeat(8000);

test("a service whose log is not read keeps serving, counts dropped lines, and logs their number later", async () => {
  await using unread = await startUnread();
  const { service, url } = unread;
  const dropped = async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return Number(/^ringcache_log_lines_dropped_total (\d+)$/m.exec(metrics)?.[1]);
  };
  expect(await dropped()).toBe(0);
  while ((await dropped()) < 50) expect((await fetch(`${url}/${LONG_PATH}`)).status).toBe(404);
  const log = await unread.readUntil(/ warn log lines dropped lines=\d+ /);
  expect(Number(/log lines dropped lines=(\d+)/.exec(log)?.[1])).toBeGreaterThanOrEqual(50);
  service.kill("SIGTERM");
  await unread.readUntil(/ info stopped\n/);
  expect(await service.exited).toBe(0);
});

test("a service whose log is never read again stops at SIGTERM", async () => {
  await using unread = await startUnread();
  const { service, url } = unread;
  for (let n = 0; n < 200; n++) await fetch(`${url}/${LONG_PATH}`);
  service.kill("SIGTERM");
  expect(await service.exited).toBe(0);
});
