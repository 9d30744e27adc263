// The form that gets, puts and deletes one key. A value is shown only when asked for: who looks
// over a shoulder, or at a shared screen, should not read what others have stored.

import { byId, setText } from "./elements.ts";
import { bytes, exact, text } from "./format.ts";
import type { Answer, KeyCalls } from "./key-calls.ts";
import { clipped, visibleLine, visibleLines } from "./visible-text.ts";

/** UTF-16 units of a value that are shown; a longer one would only freeze the page. */
const SHOWN_LENGTH = 100_000;

const ACTIONS = ["get", "put", "delete"] as const;
type Action = (typeof ACTIONS)[number];

/** What is said while an action goes on and when it is done. */
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
  readonly #answerKey = byId("answer-key", HTMLElement);
  readonly #reveal = byId("answer-reveal", HTMLButtonElement);
  readonly #answer = byId("answer-value", HTMLElement);
  /** Counts actions, so that a slow answer does not replace a later one. */
  #actions = 0;
  #found: Answer | undefined;
  readonly #calls: KeyCalls;

  constructor(calls: KeyCalls) {
    this.#calls = calls;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "get";
      void this.#act(ACTIONS.find((action) => action === name) ?? "get");
    });
    // A key may have line feeds, so its field is a text area; Enter still means get.
    this.#key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#reveal.addEventListener("click", () => this.#toggleValue());
  }

  async #act(action: Action): Promise<void> {
    const number = ++this.#actions;
    const key = this.#key.value;
    const [doing, done] = WORDS[action];
    this.#forget();
    setText(this.#answerKey, visibleLine(clipped(key, SHOWN_LENGTH)));
    this.#answerKey.hidden = key === "";
    this.#say(doing);
    const answer = await this.#call(action, key);
    if (number !== this.#actions) return;
    if (answer.status !== "OK") return this.#say(answer.message ?? "The service refused.", true);
    if (action !== "get") return this.#say(`${done}.`);
    this.#found = answer;
    this.#reveal.hidden = false;
    this.#say(`${done}: ${sizeWords(answer)}. The value is hidden.`);
  }

  #call(action: Action, key: string): Promise<Answer> | Answer {
    if (!key.isWellFormed() || !this.#value.value.isWellFormed())
      return { status: "ERROR", message: "Half of a surrogate pair cannot be sent." };
    if (action === "get") return this.#calls.get(key);
    if (action === "delete") return this.#calls.delete(key);
    const ttlText = this.#ttl.value.trim();
    if (ttlText === "") return this.#calls.put(key, this.#value.value);
    const ttl = Number(ttlText);
    if (!Number.isFinite(ttl))
      return { status: "ERROR", message: "The lifetime must be a number of seconds." };
    return this.#calls.put(key, this.#value.value, ttl);
  }

  #forget(): void {
    this.#found = undefined;
    this.#reveal.hidden = true;
    this.#hideValue();
  }

  #hideValue(): void {
    this.#answer.hidden = true;
    this.#answer.textContent = "";
    this.#reveal.ariaExpanded = "false";
    setText(this.#reveal, "Show value");
  }

  #toggleValue(): void {
    if (this.#found === undefined) return;
    if (this.#reveal.ariaExpanded === "true") {
      this.#hideValue();
      return this.#say("The value is hidden.");
    }
    const { value = "", encoding } = this.#found;
    this.#answer.textContent = visibleLines(clipped(value, SHOWN_LENGTH));
    this.#answer.hidden = false;
    this.#reveal.ariaExpanded = "true";
    setText(this.#reveal, "Hide value");
    const part = value.length > SHOWN_LENGTH ? ", its beginning only" : "";
    this.#say(`The value is shown${part}${encoding === undefined ? "." : ", as base64."}`);
  }

  #say(words: string, isError = false): void {
    setText(this.#status, words);
    this.#status.classList.toggle("error", isError);
  }
}

function sizeWords({ value = "", encoding }: Answer): string {
  if (encoding === "base64") {
    const padding = value.endsWith("==") ? 2 : value.endsWith("=") ? 1 : 0;
    return `${text(bytes((value.length / 4) * 3 - padding))} that are not text`;
  }
  let characters = 0;
  for (const _ of value) characters++;
  return characters === 1 ? "1 character" : `${exact(characters)} characters`;
}
