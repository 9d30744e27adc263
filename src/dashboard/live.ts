// The stream of stats, read with fetch. An EventSource sends no token, stops after a response that
// is no stream (503 while the service stops), and waits forever on a dead connection.

import { EventParser } from "../live/events.ts";
import { HISTORY_EVENT, type HistoryTable, type Sample, samplesOf } from "../live/history.ts";
import type { LiveStats } from "../live/stats.ts";
import type { Token } from "./token.ts";

/** The service sends stats once a second. A connection without stats for this time is closed. */
const SILENCE_MS = 5000;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 5000;

interface LiveEvents {
  /** The samples that the service has recorded; the first event of each connection. */
  readonly past: (samples: readonly Sample[]) => void;
  readonly stats: (stats: LiveStats) => void;
  /** The connection broke; the page reconnects until stats arrive. */
  readonly lost: () => void;
  /** The service requires a token; the page reconnects when the user gives one. */
  readonly locked: () => void;
}

/** Subscribes to the stats of the service at `url` until the page is closed. */
export async function subscribe(url: string, token: Token, events: LiveEvents): Promise<never> {
  let retryMs = RETRY_MS_MIN;
  const receive = (event: string, data: string): void => {
    if (event === HISTORY_EVENT) events.past(samplesOf(JSON.parse(data) as HistoryTable));
    if (event !== "figures") return;
    retryMs = RETRY_MS_MIN;
    events.stats(JSON.parse(data) as LiveStats);
  };
  for (;;) {
    if (await requiresToken(url, token, receive)) {
      events.locked();
      await token.given();
      continue;
    }
    events.lost();
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  }
}

/**
 * Reads one connection to its end. Returns whether it ended because the service requires a token.
 */
async function requiresToken(
  url: string,
  token: Token,
  receive: (event: string, data: string) => void,
): Promise<boolean> {
  const aborter = new AbortController();
  let silence = 0;
  const watch = (): void => {
    clearTimeout(silence);
    silence = window.setTimeout(() => aborter.abort(), SILENCE_MS);
  };
  try {
    watch();
    const { status, body } = await token.fetch(url, { signal: aborter.signal });
    if (status === 401) return true;
    if (status !== 200 || body === null) return false;
    const parser = new EventParser();
    const reader = body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      for (const { event, data } of parser.feed(read.value)) {
        watch();
        receive(event, data);
      }
    }
  } catch {
    // A broken or silent connection and invalid stats have the same consequence: reconnect.
  } finally {
    clearTimeout(silence);
    aborter.abort();
  }
  return false;
}
