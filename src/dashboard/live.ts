// The stream of figures. A browser reconnects an EventSource itself after a break, but not after an
// answer that is no stream (503 while the service stops, 404), and not when nothing arrives on a
// connection that looks open: those are reconnected here.

import type { LiveFigures } from "./figures.ts";

/** Milliseconds without figures, which come once a second, after which a connection is given up. */
const SILENCE_MS = 5000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 5000;

interface LiveEvents {
  readonly figures: (figures: LiveFigures) => void;
  /** The connection broke; it is tried again until figures come. */
  readonly lost: () => void;
}

/** Subscribes to the figures of the service at `url` for as long as the page lives. */
export function subscribe(url: string, events: LiveEvents): void {
  let retryMs = FIRST_RETRY_MS;
  let silence: ReturnType<typeof setTimeout> | undefined;

  const connect = (): void => {
    const source = new EventSource(url);
    const giveUp = (): void => {
      clearTimeout(silence);
      source.close();
      events.lost();
      setTimeout(connect, retryMs);
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    };
    const watch = (): void => {
      clearTimeout(silence);
      silence = setTimeout(giveUp, SILENCE_MS);
    };
    source.addEventListener("figures", ({ data }: MessageEvent<string>) => {
      retryMs = FIRST_RETRY_MS;
      watch();
      events.figures(JSON.parse(data) as LiveFigures);
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) return giveUp();
      events.lost();
      watch();
    });
    watch();
  };
  connect();
}
