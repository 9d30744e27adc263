// The form that gets, puts and deletes one key. It shows facts of the entry; its value stays hidden
// until the user reveals it, because other people may see the screen. A delete is confirmed first.

import { byId, make, setText } from "./elements.ts";
import { bytes, duration, exact, text } from "./format.ts";
import {
  failure,
  type FactsResponse,
  type KeyApi,
  type KeyResponse,
  type ValueResponse,
} from "./key-api.ts";
import { clipped, visibleLine, visibleLines } from "./visible-text.ts";

/** Most UTF-16 units of a value that are shown; more would freeze the page. */
const SHOWN_LENGTH = 100_000;
/** Most bytes of a value that the page loads. */
const LOADED_BYTES_MAX = 2 ** 20;
/** Eviction counts no more hits of an entry. */
const HITS_MAX = 3;

export class KeyForm {
  readonly #form = byId("key-form", HTMLFormElement);
  readonly #putForm = byId("put-form", HTMLFormElement);
  readonly #key = byId("key", HTMLTextAreaElement);
  readonly #value = byId("value", HTMLTextAreaElement);
  readonly #ttl = byId("ttl", HTMLInputElement);
  readonly #status = byId("key-status", HTMLElement);
  readonly #shownKey = byId("response-key", HTMLElement);
  readonly #facts = byId("response-facts", HTMLElement);
  readonly #actions = byId("response-actions", HTMLElement);
  readonly #reveal = byId("response-reveal", HTMLButtonElement);
  readonly #shownValue = byId("response-value", HTMLElement);
  readonly #dialog = byId("delete-dialog", HTMLDialogElement);
  /** Counts requests, so that a slow response does not replace a later one. */
  #requests = 0;
  /** The key and the size of the entry that is shown. */
  #shown = { key: "", bytes: 0 };
  readonly #api: KeyApi;

  constructor(api: KeyApi) {
    this.#api = api;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#get();
    });
    this.#putForm.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#put();
    });
    // A key may contain line feeds, so its field is a text area; Enter without Shift submits.
    this.#key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#reveal.addEventListener("click", () => void this.#toggleValue());
    byId("delete-ask", HTMLButtonElement).addEventListener("click", () => this.#askToDelete());
    byId("delete-keep", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    byId("delete-confirm", HTMLButtonElement).addEventListener("click", () => {
      this.#dialog.close();
      void this.#delete();
    });
  }

  /** Shows the facts of this key, and moves the focus to the form. */
  open(key: string): void {
    this.#key.value = key;
    this.#form.scrollIntoView({ block: "nearest" });
    this.#key.focus();
    void this.#get();
  }

  async #get(): Promise<void> {
    const key = this.#key.value;
    const response: FactsResponse | undefined = await this.#send("Getting …", key, () =>
      this.#api.facts(key),
    );
    if (response === undefined) return;
    this.#shown = { key, bytes: response.bytes ?? 0 };
    const facts = describeFacts(response).flatMap(([name, value]) => {
      return make("div", "", make("dt", "", name), make("dd", "", value));
    });
    this.#facts.replaceChildren(...facts);
    this.#facts.hidden = false;
    this.#actions.hidden = false;
    this.#showStatus("Found. The value is hidden.");
  }

  async #put(): Promise<void> {
    const key = this.#key.value;
    const value = this.#value.value;
    const ttlText = this.#ttl.value.trim();
    const ttl = ttlText === "" ? undefined : Number(ttlText);
    const response = await this.#send("Putting …", key, async () => {
      if (!value.isWellFormed()) return BAD_TEXT;
      if (ttl !== undefined && !Number.isFinite(ttl))
        return failure("The lifetime must be a number of seconds.");
      return await this.#api.put(key, value, ttl);
    });
    if (response !== undefined) this.#showStatus("Stored.");
  }

  #askToDelete(): void {
    const shown = visibleLine(clipped(this.#shown.key, SHOWN_LENGTH));
    setText(byId("delete-key", HTMLElement), shown);
    this.#dialog.showModal();
  }

  async #delete(): Promise<void> {
    const { key } = this.#shown;
    const response = await this.#send("Deleting …", key, () => this.#api.delete(key));
    if (response !== undefined) this.#showStatus("Deleted.");
  }

  /** Shows the key and the response, unless a later request replaces it. Returns undefined for an error. */
  async #send<Result extends KeyResponse>(
    running: string,
    key: string,
    request: () => Promise<Result>,
  ): Promise<Result | undefined> {
    const number = ++this.#requests;
    this.#reset();
    setText(this.#shownKey, visibleLine(clipped(key, SHOWN_LENGTH)));
    this.#shownKey.hidden = key === "";
    this.#showStatus(running);
    const response = key.isWellFormed() ? await request() : BAD_TEXT;
    if (number !== this.#requests) return undefined;
    if (response.status === "OK") return response as Result;
    this.#showStatus(response.message ?? "The service returned an error.", true);
    return undefined;
  }

  #reset(): void {
    this.#facts.hidden = true;
    this.#actions.hidden = true;
    this.#hideValue();
  }

  #hideValue(): void {
    this.#shownValue.hidden = true;
    this.#shownValue.textContent = "";
    this.#reveal.ariaExpanded = "false";
    setText(this.#reveal, "Show value");
  }

  async #toggleValue(): Promise<void> {
    if (this.#reveal.ariaExpanded === "true") {
      this.#hideValue();
      return this.#showStatus("The value is hidden.");
    }
    if (this.#shown.bytes > LOADED_BYTES_MAX) {
      const most = text(bytes(LOADED_BYTES_MAX));
      return this.#showStatus(`The page shows values of at most ${most}; use GET /get.`);
    }
    const number = ++this.#requests;
    this.#showStatus("Getting the value …");
    const response: ValueResponse = await this.#api.get(this.#shown.key);
    if (number !== this.#requests) return;
    if (response.status !== "OK") {
      return this.#showStatus(response.message ?? "The service returned an error.", true);
    }
    const { value = "", encoding } = response;
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

const BAD_TEXT = failure("A key or value with half of a surrogate pair is invalid.");

/** Returns the facts with their names, in the order of the page. */
function describeFacts(facts: FactsResponse): (readonly [name: string, value: string])[] {
  const { ttl = null, stale = 0, bytes: size = 0, hits = null, age = null, tags = 0, type } = facts;
  const { memory_bytes: taken = null } = facts;
  return [
    ["Lifetime left", ttl === null ? "does not expire" : seconds(ttl)],
    ["Size", text(bytes(size)) + (taken === null ? "" : `, in memory ${text(bytes(taken))}`)],
    ["Hits that eviction counts", hits === null ? "kept by the upstream" : hitsText(hits)],
    ["Age", age === null ? "not kept for this entry" : seconds(age)],
    ...(stale > 0 ? [["Then stale for", seconds(stale)] as const] : []),
    ...(tags > 0 ? [["Tags", exact(tags)] as const] : []),
    ...(type == null ? [] : [["Content type", type] as const]),
  ];
}

function hitsText(hits: number): string {
  return hits < HITS_MAX ? exact(hits) : `${exact(hits)} or more`;
}

function seconds(value: number): string {
  return value > 0 && value < 1 ? "less than 1\u00a0s" : duration(value);
}
