// A list of the keys that match a pattern, page by page. A page of the service may be empty although
// more keys follow; the browser then asks for the next one, a limited number of times.

import { byId, make, setText } from "./elements.ts";
import { exact } from "./format.ts";
import type { KeyApi, ListedKey, PageResponse } from "./key-api.ts";
import { clipped, visibleLine } from "./visible-text.ts";

/** Keys that one press of a button adds to the list. */
const PAGE_KEYS = 50;
/** Keys in the list; older ones stay in the service, and a narrower pattern finds them. */
const LISTED_MAX = 1000;
/** Pages that one press of a button may read: each takes the service at most 5 ms. */
const PAGES_MAX = 20;
const SHOWN_LENGTH = 300;

export class KeyBrowser {
  readonly #api: KeyApi;
  readonly #open: (key: string) => void;
  readonly #form = byId("browse-form", HTMLFormElement);
  readonly #pattern = byId("pattern", HTMLInputElement);
  readonly #list = byId("keys", HTMLElement);
  readonly #more = byId("keys-more", HTMLButtonElement);
  readonly #status = byId("keys-status", HTMLElement);
  /** The pattern and the cursor of the next page. */
  #sought = "";
  #cursor: string | null = null;
  /** Counts searches, so that a slow response does not add to a later list. */
  #searches = 0;

  /** `open` shows a key in the key form. */
  constructor(api: KeyApi, open: (key: string) => void) {
    this.#api = api;
    this.#open = open;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#sought = this.#pattern.value;
      this.#cursor = null;
      this.#list.replaceChildren();
      void this.#addPage();
    });
    this.#more.addEventListener("click", () => void this.#addPage());
  }

  async #addPage(): Promise<void> {
    const search = ++this.#searches;
    const wanted = this.#list.childElementCount + PAGE_KEYS;
    this.#more.hidden = true;
    this.#show("Searching …");
    let pages = 0;
    do {
      const missing = wanted - this.#list.childElementCount;
      const page: PageResponse = await this.#api.keys(this.#sought, this.#cursor, missing);
      if (search !== this.#searches) return;
      if (page.status !== "OK") {
        return this.#show(page.message ?? "The service returned an error.", true);
      }
      this.#cursor = page.cursor ?? null;
      this.#list.append(...(page.keys ?? []).map((key) => this.#item(key)));
      pages++;
    } while (this.#cursor !== null && this.#list.childElementCount < wanted && pages < PAGES_MAX);
    this.#describe();
  }

  #describe(): void {
    const listed = this.#list.childElementCount;
    const isFull = listed >= LISTED_MAX;
    this.#list.hidden = listed === 0;
    this.#more.hidden = this.#cursor === null || isFull;
    const keys = `${exact(listed)} ${listed === 1 ? "key" : "keys"}`;
    if (this.#cursor === null)
      return this.#show(listed === 0 ? "No key matches." : `${keys}, all.`);
    if (isFull) return this.#show(`${keys}. Use a narrower pattern to see others.`);
    this.#show(listed === 0 ? "No match so far." : `${keys} so far.`);
  }

  #item(listed: ListedKey): HTMLElement {
    const key = typeof listed === "string" ? listed : listed.key;
    const name = make("bdi", "key", visibleLine(clipped(key, SHOWN_LENGTH)));
    if (typeof listed !== "string") {
      const item = make("li", "name binary", name, make("span", "badge", "base64"));
      item.title = "This key is not text, so the form cannot open it.";
      return item;
    }
    const button = make("button", "link", name);
    button.type = "button";
    button.addEventListener("click", () => this.#open(key));
    return make("li", "", button);
  }

  #show(words: string, isError = false): void {
    setText(this.#status, words);
    this.#status.classList.toggle("error", isError);
  }
}
