// A parser of server-sent events. Chunks of the stream may end anywhere, also within a line end or
// within a character. Comments, ids and retry times are ignored.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

/** Most characters of an incomplete event; the stats of 1,024 shards take a tenth of it. */
const PENDING_MAX = 2 ** 20;

export interface ServerEvent {
  /** "message" if the stream names none. */
  readonly event: string;
  readonly data: string;
}

/** The stream contains no events, or an event that is longer than any that a service sends. */
export class EventTooLong extends Error {}

/** Parses the chunks of one stream, in their order. */
export class EventParser {
  readonly #decoder = new TextDecoder();
  /** The line that is not complete yet. */
  #line = "";
  /** The last line ended with CR: an LF that follows belongs to the same line end. */
  #endedWithCr = false;
  #event = "";
  #data: string[] = [];
  /** Number of characters in `#data`. */
  #dataLength = 0;

  /** Returns the events that this chunk completes. Throws EventTooLong. */
  feed(chunk: Uint8Array): ServerEvent[] {
    let text = this.#decoder.decode(chunk, { stream: true });
    if (text === "") return [];
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text.endsWith("\r");
    const lines = (this.#line + text).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.#parseLine(line) ?? []);
    if (this.#line.length + this.#dataLength > PENDING_MAX) throw new EventTooLong();
    return events;
  }

  /** Parses a whole line: a field, or the blank line that ends an event. */
  #parseLine(line: string): ServerEvent | undefined {
    if (line === "") return this.#complete();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#event = value;
    if (field === "data") {
      this.#data.push(value);
      this.#dataLength += value.length;
    }
    return undefined;
  }

  #complete(): ServerEvent | undefined {
    const event = { event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    this.#dataLength = 0;
    return isEmpty ? undefined : event;
  }
}
