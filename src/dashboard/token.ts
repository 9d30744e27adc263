// The token of a service that asks for one: in the memory of this tab, and nowhere else.

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
      // Nothing else fits into a header.
      if (!/^[!-~]+$/.test(text)) return this.#say("A token is visible characters of ASCII.", true);
      this.#text = text;
      this.#say("Asking …");
      this.#given.resolve();
      this.#given = Promise.withResolvers();
    });
  }

  /** As `fetch`, with the token; shows the form if the service wants another. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const used = this.#text;
    const headers: HeadersInit = used === "" ? {} : { authorization: `Bearer ${used}` };
    const response = await fetch(path, { ...init, headers, cache: "no-store" });
    if (response.status !== 401) this.#section.hidden = true;
    else if (used === this.#text) this.#ask(used !== "");
    return response;
  }

  /** Resolves when the next token has been given. */
  async given(): Promise<void> {
    await this.#given.promise;
  }

  #ask(wasWrong: boolean): void {
    this.#say(wasWrong ? "That token is wrong." : "", wasWrong);
    if (!this.#section.hidden) return;
    this.#section.hidden = false;
    this.#input.focus();
  }

  #say(words: string, isError = false): void {
    setText(this.#status, words);
    this.#status.classList.toggle("error", isError);
  }
}
