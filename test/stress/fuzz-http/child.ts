// The service under test as a process of its own: its log, its memory, and its end.

import { benchServer, type BenchServer } from "../../../bench/lib/server.ts";

const MAIN = new URL("../../../src/main.ts", import.meta.url).pathname;
const MEMORY_MB = 64;
const WORKERS = 1;

/** Resident memory that docs/operations.md says to plan for, in MiB. */
export const RSS_BOUND_MB = 1.15 * MEMORY_MB + 80 + 10 * WORKERS;

export interface Child extends AsyncDisposable {
  readonly port: number;
  rssMb(): number;
  /** All that it has printed so far. */
  log(): string;
  /** Resolves with its exit code when it has ended. */
  readonly exited: Promise<number>;
  /** Asks it to stop and resolves with its exit code. */
  stop(): Promise<number>;
}

/** Starts the service on a free port and resolves once it listens. */
export async function startChild(): Promise<Child> {
  const options = ["--workers", `${WORKERS}`, "--memory", `${MEMORY_MB}mb`];
  const ports = ["--host", "127.0.0.1", "--port", "0", "--resp-port", "0", "--shed-after-ms", "0"];
  const child = Bun.spawn([process.execPath, MAIN, ...ports, ...options], {
    env: { PATH: process.env["PATH"] },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  let log = "";
  const listens = Promise.withResolvers<string | undefined>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      log += decoder.decode(chunk, { stream: true });
      const url = /http:\/\/[\d.]+:\d+(?=.*\n)/.exec(log)?.[0];
      if (url !== undefined) listens.resolve(url);
    }
    listens.resolve(undefined);
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const url = await listens.promise;
  if (url === undefined) throw new Error(`the service did not start: ${log}`);
  const server: BenchServer = benchServer(child, url);
  return {
    port: Number(new URL(url).port),
    rssMb: () => server.rssBytes() / 2 ** 20,
    log: () => log,
    exited: child.exited,
    async stop() {
      child.kill("SIGTERM");
      await reading;
      return await child.exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
