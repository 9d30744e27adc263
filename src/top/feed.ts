// The stream of stats from a service: one connection of server-sent events, or one connection after
// another until the caller stops.

import { errorCode } from "../linux/error-code.ts";
import { HISTORY_EVENT, type Sample } from "../live/history.ts";
import type { LiveStats } from "../live/stats.ts";
import { EventParser, EventTooLong } from "../live/events.ts";
import { printable } from "./printable.ts";
import { parseHistory, parseStats } from "./received.ts";

/** A service sends an event every second. After this time without one, its connection is closed. */
const SILENCE_MS = 5000;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 5000;

/** The service sends no stats. The message gives the reason in a few words. */
export class StatsUnavailable extends Error {
  /** Whether a server responded, but without stats. */
  readonly hasResponse: boolean;

  constructor(message: string, hasResponse = false) {
    super(message);
    this.hasResponse = hasResponse;
  }
}

/** Receives the samples that the service has recorded, which come first on each connection. */
type Past = (samples: readonly Sample[]) => void;

/** Yields the stats of one connection. Throws StatsUnavailable when the connection ends. */
export async function* readStats(
  service: URL,
  token = "",
  silenceMs = SILENCE_MS,
  past: Past = () => {},
): AsyncGenerator<LiveStats, never> {
  const aborter = new AbortController();
  const parser = new EventParser();
  /** Limits the wait for the service. The caller may take as long as it needs between two stats. */
  const unlessSilent = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => aborter.abort(), silenceMs);
    try {
      return await work;
    } catch (error) {
      throw aborter.signal.aborted
        ? new StatsUnavailable(`no data for ${silenceMs / 1000} s`)
        : new StatsUnavailable(describeError(error), CERTIFICATE_ERRORS.test(errorCode(error)));
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const authorization = token === "" ? undefined : { Authorization: `Bearer ${token}` };
    const headers = { Accept: "text/event-stream", ...authorization };
    const request = fetch(new URL("events", service), { headers, signal: aborter.signal });
    const reader = eventStream(await unlessSilent(request), token).getReader();
    while (true) {
      const { value, done } = await unlessSilent(reader.read());
      if (done) throw new StatsUnavailable("connection closed");
      for (const { event, data } of parser.feed(value)) {
        if (event === HISTORY_EVENT) past(parseHistory(data));
        if (event !== "figures") continue;
        const stats = parseStats(data);
        if (stats === undefined) {
          throw new StatsUnavailable("the stats are of another version of ringcache");
        }
        yield stats;
      }
    }
  } catch (error) {
    throw error instanceof EventTooLong ? new StatsUnavailable("an event is too long") : error;
  } finally {
    aborter.abort();
  }
}

/**
 * Yields stats, and a StatsUnavailable each time a connection fails or ends; then it connects
 * again, forever. `retryMs` returns the pause after a number of consecutive failures.
 */
export async function* followStats(
  service: URL,
  token = "",
  retryMs = (failures: number) => Math.min(failures * RETRY_MS, RETRY_MS_MAX),
  past: Past = () => {},
): AsyncGenerator<LiveStats | StatsUnavailable, never> {
  let failures = 0;
  while (true) {
    try {
      for await (const stats of readStats(service, token, SILENCE_MS, past)) {
        failures = 0;
        yield stats;
      }
    } catch (error) {
      if (!(error instanceof StatsUnavailable)) throw error;
      yield error;
    }
    await Bun.sleep(retryMs(++failures));
  }
}

function eventStream(response: Response, token: string): ReadableStream<Uint8Array> {
  if (response.status === 401) {
    const missing = "it requires a token: use --auth-token-file FILE or RINGCACHE_AUTH_TOKEN";
    throw new StatsUnavailable(token === "" ? missing : "the token is wrong", true);
  }
  if (!response.ok) throw new StatsUnavailable(`the response is HTTP ${response.status}`, true);
  const type = response.headers.get("Content-Type") ?? "";
  if (response.body === null || !/^text\/event-stream\b/i.test(type)) {
    throw new StatsUnavailable("the response is no stream of events", true);
  }
  return response.body;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "no such host",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "its certificate is self-signed: set NODE_EXTRA_CA_CERTS to the certificate",
};

/** Codes of errors for a certificate: a service responded, but top does not trust it. */
const CERTIFICATE_ERRORS = /CERT|UNABLE_TO_(GET|VERIFY)/;

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  return REASONS[errorCode(error)] ?? printable(error.message);
}
