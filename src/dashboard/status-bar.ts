// The head of the page: whether the service is up, and how fresh the figures are.

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

  /** Figures came: the service is in the state that it says. */
  show({ state, version, uptimeSeconds, timeMs }: LiveStats): void {
    this.#lastMs = timeMs;
    this.#set(state, state);
    setText(this.#version, version);
    setText(this.#uptime, duration(uptimeSeconds));
    this.#notice.hidden = true;
  }

  /** No connection: what the page shows is old. */
  lost(): void {
    this.#set("lost", "connection lost, trying again");
    setText(
      this.#notice,
      this.#lastMs === 0
        ? "The service cannot be reached. There are no figures yet."
        : `No figures since ${timeOfDay(this.#lastMs)}. What this page shows is from then.`,
    );
    this.#notice.hidden = false;
  }

  /** The service is there and wants a token. */
  locked(): void {
    this.#set("locked", "asks for a token");
    this.#notice.hidden = true;
  }

  #set(state: string, words: string): void {
    setText(this.#state, words);
    setAttribute(document.documentElement, "data-state", state);
    document.title = state === "serving" ? TITLE : `${words} · ${TITLE}`;
  }
}
