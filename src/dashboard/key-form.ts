// The form that gets, puts and deletes one key. A value stays hidden until the user reveals it,
// because other people may see the screen.

import { byId, setText } from "./elements.ts";
import { bytes, exact, text } from "./format.ts";
import type { KeyApi, KeyResponse } from "./key-api.ts";
import { clipped, visibleLine, visibleLines } from "./visible-text.ts";

/** Most UTF-16 units of a value that are shown; more would freeze the page. */
const SHOWN_LENGTH = 100_000;

const ACTIONS = ["get", "put", "delete"] as const;
type Action = (typeof ACTIONS)[number];

/** The status during an action and after it. */
const WORDS: Readonly<Record<Action, readonly [doing: string, done: string]>> = {
  get: ["Getting …", "Found"],
  put: ["Putting …", "Stored"],
  delete: ["Deleting …", "Deleted"],
};

export class KeyForm {
  readonly #form = byId("key-form", HTMLFormElement);
  readonly #key = byId("key", HTMLTextAreaElement);
  readonly #value = byId("value", HTMLTextAreaElement);
  readonly #ttl = byId("ttl", HTMLInputElement);
  readonly #status = byId("key-status", HTMLElement);
  readonly #shownKey = byId("response-key", HTMLElement);
  readonly #reveal = byId("response-reveal", HTMLButtonElement);
  readonly #shownValue = byId("response-value", HTMLElement);
  /** Counts actions, so that a slow response does not replace a later one. */
  #actions = 0;
  #response: KeyResponse | undefined;
  readonly #api: KeyApi;

  constructor(api: KeyApi) {
    this.#api = api;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "get";
      void this.#run(ACTIONS.find((action) => action === name) ?? "get");
    });
    // A key may contain line feeds, so its field is a text area; Enter without Shift submits.
    this.#key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#reveal.addEventListener("click", () => this.#toggleValue());
  }

  async #run(action: Action): Promise<void> {
    const number = ++this.#actions;
    const key = this.#key.value;
    const [running, done] = WORDS[action];
    this.#reset();
    setText(this.#shownKey, visibleLine(clipped(key, SHOWN_LENGTH)));
    this.#shownKey.hidden = key === "";
    this.#showStatus(running);
    const response = await this.#send(action, key);
    if (number !== this.#actions) return;
    if (response.status !== "OK") {
      return this.#showStatus(response.message ?? "The service returned an error.", true);
    }
    if (action !== "get") return this.#showStatus(`${done}.`);
    this.#response = response;
    this.#reveal.hidden = false;
    this.#showStatus(`${done}: ${describeSize(response)}. The value is hidden.`);
  }

  #send(action: Action, key: string): Promise<KeyResponse> | KeyResponse {
    if (!key.isWellFormed() || !this.#value.value.isWellFormed())
      return {
        status: "ERROR",
        message: "A key or value with half of a surrogate pair is invalid.",
      };
    if (action === "get") return this.#api.get(key);
    if (action === "delete") return this.#api.delete(key);
    const ttlText = this.#ttl.value.trim();
    if (ttlText === "") return this.#api.put(key, this.#value.value);
    const ttl = Number(ttlText);
    if (!Number.isFinite(ttl))
      return { status: "ERROR", message: "The lifetime must be a number of seconds." };
    return this.#api.put(key, this.#value.value, ttl);
  }

  #reset(): void {
    this.#response = undefined;
    this.#reveal.hidden = true;
    this.#hideValue();
  }

  #hideValue(): void {
    this.#shownValue.hidden = true;
    this.#shownValue.textContent = "";
    this.#reveal.ariaExpanded = "false";
    setText(this.#reveal, "Show value");
  }

  #toggleValue(): void {
    if (this.#response === undefined) return;
    if (this.#reveal.ariaExpanded === "true") {
      this.#hideValue();
      return this.#showStatus("The value is hidden.");
    }
    const { value = "", encoding } = this.#response;
    this.#shownValue.textContent = visibleLines(clipped(value, SHOWN_LENGTH));
    this.#shownValue.hidden = false;
    this.#reveal.ariaExpanded = "true";
    setText(this.#reveal, "Hide value");
    const part = value.length > SHOWN_LENGTH ? `, its first ${exact(SHOWN_LENGTH)} characters` : "";
    this.#showStatus(`The value is shown${part}${encoding === undefined ? "." : ", as base64."}`);
  }

  #showStatus(words: string, isError = false): void {
    setText(this.#status, words);
    this.#status.classList.toggle("error", isError);
  }
}

function describeSize({ value = "", encoding }: KeyResponse): string {
  if (encoding === "base64") {
    const padding = value.endsWith("==") ? 2 : value.endsWith("=") ? 1 : 0;
    return `${text(bytes((value.length / 4) * 3 - padding))} of binary data`;
  }
  let characters = 0;
  for (const _ of value) characters++;
  return characters === 1 ? "1 character" : `${exact(characters)} characters`;
}
