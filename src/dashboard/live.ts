// The stream of figures, read by fetch: an EventSource sends no token, gives up after an answer that
// is no stream (503 while the service stops), and waits for ever on a connection that looks open.

import { EventParser } from "../live/events.ts";
import type { LiveStats } from "../live/stats.ts";
import type { Token } from "./token.ts";

/** Milliseconds without figures, which come once a second, after which a connection is given up. */
const SILENCE_MS = 5000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 5000;

interface LiveEvents {
  readonly stats: (stats: LiveStats) => void;
  /** The connection broke; it is tried again until figures come. */
  readonly lost: () => void;
  /** The service wants a token, and is asked again when there is one. */
  readonly locked: () => void;
}

/** Subscribes to the figures of the service at `url` for as long as the page lives. */
export async function subscribe(url: string, token: Token, events: LiveEvents): Promise<never> {
  let retryMs = FIRST_RETRY_MS;
  const heard = (stats: LiveStats): void => {
    retryMs = FIRST_RETRY_MS;
    events.stats(stats);
  };
  for (;;) {
    if (await isLocked(url, token, heard)) {
      events.locked();
      await token.given();
      continue;
    }
    events.lost();
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

/** Reads one connection to its end; whether the end is that it wants another token. */
async function isLocked(
  url: string,
  token: Token,
  heard: (stats: LiveStats) => void,
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
        if (event !== "figures") continue;
        watch();
        heard(JSON.parse(data) as LiveStats);
      }
    }
  } catch {
    // It broke, was silent, or sent what are no figures: for the page that is all the same.
  } finally {
    clearTimeout(silence);
    aborter.abort();
  }
  return false;
}
