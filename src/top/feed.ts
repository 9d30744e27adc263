// The figures of a service as they come: one connection of server-sent events,
// or one after another for as long as somebody looks.

import { errorCode } from "../linux/error-code.ts";
import type { LiveStats } from "../live/stats.ts";
import { EventParser, EventTooLong } from "../live/events.ts";
import { printable } from "./printable.ts";
import { statsOf } from "./received.ts";

/** A service sends something each second; one that is silent for so long is gone, whatever TCP says. */
const SILENCE_MS = 5000;
const RETRY_MS = 1000;
const MAX_RETRY_MS = 5000;

/** There are no figures, or no more; the message is the reason, in a few words. */
export class NoAnswer extends Error {
  /** Whether somebody answers, though not with figures. */
  readonly isThere: boolean;

  constructor(message: string, isThere = false) {
    super(message);
    this.isThere = isThere;
  }
}

/** The figures of one connection. Throws NoAnswer where it ends, and never ends otherwise. */
export async function* readStats(
  service: URL,
  token = "",
  silenceMs = SILENCE_MS,
): AsyncGenerator<LiveStats, never> {
  const aborter = new AbortController();
  const parser = new EventParser();
  /** Waits for the service; not for whoever takes the figures, who may be slow. */
  const unlessSilent = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => aborter.abort(), silenceMs);
    try {
      return await work;
    } catch (error) {
      throw aborter.signal.aborted
        ? new NoAnswer(`silent for ${silenceMs / 1000} s`)
        : new NoAnswer(reasonOf(error));
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const authorization = token === "" ? undefined : { Authorization: `Bearer ${token}` };
    const headers = { Accept: "text/event-stream", ...authorization };
    const request = fetch(new URL("events", service), { headers, signal: aborter.signal });
    const reader = bodyOf(await unlessSilent(request), token).getReader();
    while (true) {
      const { value, done } = await unlessSilent(reader.read());
      if (done) throw new NoAnswer("connection closed");
      for (const { event, data } of parser.feed(value)) {
        if (event !== "figures") continue;
        const stats = statsOf(data);
        if (stats === undefined) throw new NoAnswer("figures of another version of ringcache");
        yield stats;
      }
    }
  } catch (error) {
    throw error instanceof EventTooLong ? new NoAnswer("no events that end") : error;
  } finally {
    aborter.abort();
  }
}

/**
 * Figures, and a NoAnswer each time there are none; then it connects again, for ever.
 * `retryMs` is the wait after that many failures in a row.
 */
export async function* followStats(
  service: URL,
  token = "",
  retryMs = (failures: number) => Math.min(failures * RETRY_MS, MAX_RETRY_MS),
): AsyncGenerator<LiveStats | NoAnswer, never> {
  let failures = 0;
  while (true) {
    try {
      for await (const stats of readStats(service, token)) {
        failures = 0;
        yield stats;
      }
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      yield error;
    }
    await Bun.sleep(retryMs(++failures));
  }
}

function bodyOf(response: Response, token: string): ReadableStream<Uint8Array> {
  if (response.status === 401) {
    const right = "it asks for a token: use --auth-token-file FILE or RINGCACHE_AUTH_TOKEN";
    throw new NoAnswer(token === "" ? right : "the token is wrong", true);
  }
  if (!response.ok) throw new NoAnswer(`it says HTTP ${response.status}`, true);
  const type = response.headers.get("Content-Type") ?? "";
  if (response.body === null || !/^text\/event-stream\b/i.test(type)) {
    throw new NoAnswer("it sends no events", true);
  }
  return response.body;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "no such host",
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  return REASONS[errorCode(error)] ?? printable(error.message);
}
