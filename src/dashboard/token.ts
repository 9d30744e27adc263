// The token of a service that requires one. It is kept only in the memory of this tab.

import { byId, setText } from "./elements.ts";

export class Token {
  readonly #section = byId("token-section", HTMLElement);
  readonly #form = byId("token-form", HTMLFormElement);
  readonly #input = byId("token", HTMLInputElement);
  readonly #status = byId("token-status", HTMLElement);
  #text = "";
  #given = Promise.withResolvers<void>();

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      this.#input.value = "";
      // A header can contain no other characters.
      if (!/^[!-~]+$/.test(text)) {
        return this.#showStatus("A token contains only visible ASCII characters.", true);
      }
      this.#text = text;
      this.#showStatus("Checking …");
      this.#given.resolve();
      this.#given = Promise.withResolvers();
    });
  }

  /** Calls `fetch` with the token; shows the form if the service responds 401. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const used = this.#text;
    const headers: HeadersInit = used === "" ? {} : { authorization: `Bearer ${used}` };
    const response = await fetch(path, { ...init, headers, cache: "no-store" });
    if (response.status !== 401) this.#section.hidden = true;
    else if (used === this.#text) this.#ask(used !== "");
    return response;
  }

  /** Resolves when the user enters the next token. */
  async given(): Promise<void> {
    await this.#given.promise;
  }

  #ask(wasWrong: boolean): void {
    this.#showStatus(wasWrong ? "The token is wrong." : "", wasWrong);
    if (!this.#section.hidden) return;
    this.#section.hidden = false;
    this.#input.focus();
  }

  #showStatus(words: string, isError = false): void {
    setText(this.#status, words);
    this.#status.classList.toggle("error", isError);
  }
}
