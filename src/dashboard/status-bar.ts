// The head of the page: the state of the service, and the age of the stats.

import { byId, setAttribute, setText } from "./elements.ts";
import type { LiveStats } from "../live/stats.ts";
import { duration, timeOfDay } from "./format.ts";

const TITLE = "ringcache";

export class StatusBar {
  readonly #state = byId("state", HTMLElement);
  readonly #version = byId("version", HTMLElement);
  readonly #uptime = byId("uptime", HTMLElement);
  readonly #notice = byId("notice", HTMLElement);
  #lastMs = 0;

  /** Shows the state in stats that just arrived. */
  show({ state, version, uptimeSeconds, timeMs }: LiveStats): void {
    this.#lastMs = timeMs;
    this.#set(state, state);
    setText(this.#version, version);
    setText(this.#uptime, duration(uptimeSeconds));
    this.#notice.hidden = true;
  }

  /** Shows that the connection is lost and that the stats on the page are old. */
  lost(): void {
    this.#set("lost", "connection lost, retrying");
    setText(
      this.#notice,
      this.#lastMs === 0
        ? "The service cannot be reached. The page has no stats yet."
        : `No stats since ${timeOfDay(this.#lastMs)}. The page shows the stats of that time.`,
    );
    this.#notice.hidden = false;
  }

  /** Shows that the service requires a token. */
  locked(): void {
    this.#set("locked", "requires a token");
    this.#notice.hidden = true;
  }

  #set(state: string, words: string): void {
    setText(this.#state, words);
    setAttribute(document.documentElement, "data-state", state);
    document.title = state === "serving" ? TITLE : `${words} · ${TITLE}`;
  }
}
