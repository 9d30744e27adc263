// The service is killed, frozen and restarted under calls of `wrap`: no call fails, and each ends.

import { expect, test } from "bun:test";

import { connect } from "../../../dist/client.js";
import { freePort, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

const TIMEOUT_MS = 100_000;
const LOOPS = 20;
const TIMEOUT_SECONDS = 0.3;

/** Calls `wrap` for new and for known keys, one after another in each loop, until it is stopped. */
class Calls {
  done = 0;
  /** Calls whose function ran, though the key is known. */
  repeated = 0;
  longestMs = 0;
  readonly errors: unknown[] = [];
  #isRunning = true;
  readonly #loops: Promise<void>[];

  constructor(url: string) {
    const cache = connect(url, { timeout: TIMEOUT_SECONDS });
    this.#loops = Array.from({ length: LOOPS }, async (_, loop) => {
      for (let n = 0; this.#isRunning; n++) {
        const isKnown = n % 2 === 1;
        const key = isKnown ? `known ${loop}` : `new ${loop} ${n}`;
        const startMs = performance.now();
        let ran = false;
        const work = async () => {
          ran = true;
          await Bun.sleep(1);
          return key;
        };
        try {
          const value = await cache.wrap(key, work);
          if (value !== key) this.errors.push(`${key} is ${value}`);
        } catch (error) {
          this.errors.push(error);
        }
        if (ran && isKnown) this.repeated++;
        this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
        this.done++;
      }
    });
  }

  /** Resolves after this number of further calls. */
  async more(what: string, count: number): Promise<void> {
    const end = this.done + count;
    await until(`${count} calls ${what}`, async () => this.done >= end);
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }
}

/** Resolves once known keys come from the service again. */
async function served(calls: Calls): Promise<void> {
  await until("the service is used again", async () => {
    const { repeated } = calls;
    await calls.more("to a service", 4 * LOOPS);
    return calls.repeated === repeated;
  });
}

test(
  "wrap never fails while the service is frozen, killed and restarted",
  async () => {
    const port = ["--port", `${freePort()}`, "--workers", "2"];
    let service = await startService(port);
    const calls = new Calls(service.url);
    try {
      await served(calls);
      for (let round = 0; round < 2; round++) {
        service.kill("SIGSTOP");
        // All loops end their calls, which ask a service that does not respond.
        await calls.more("of a frozen service", 10 * LOOPS);
        service.kill("SIGCONT");
        await served(calls);
        await service[Symbol.asyncDispose]();
        await calls.more("without a service", 10 * LOOPS);
        service = await startService(port);
        await served(calls);
      }
    } finally {
      await calls.stop();
      await service[Symbol.asyncDispose]();
    }
    expect(calls.errors).toEqual([]);
    if (process.env["SHOW"] !== undefined) {
      console.log(`${calls.done} calls, the longest took ${calls.longestMs.toFixed(0)} ms`);
    }
  },
  TIMEOUT_MS,
);
