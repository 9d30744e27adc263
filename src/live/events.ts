// Server-sent events from the bytes of a stream, cut anywhere: within a line end,
// within a character. Comments, ids and retry times are passed over.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

/** Characters of an event that is not complete; figures of 1024 shards take a tenth of it. */
const MAX_PENDING = 2 ** 20;

export interface ServerEvent {
  /** "message" if the stream names none. */
  readonly event: string;
  readonly data: string;
}

/** The stream is not one of events, or not of events that anybody would send. */
export class EventTooLong extends Error {}

/** Takes the chunks of one stream in order. */
export class EventParser {
  readonly #decoder = new TextDecoder();
  /** The line that has no end yet. */
  #line = "";
  /** The last line ended with CR: an LF that comes next belongs to it. */
  #endedWithCr = false;
  #event = "";
  #data: string[] = [];
  /** Characters in `#data`. */
  #dataLength = 0;

  /** The events that are complete with this chunk. Throws EventTooLong. */
  feed(chunk: Uint8Array): ServerEvent[] {
    let text = this.#decoder.decode(chunk, { stream: true });
    if (text === "") return [];
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text.endsWith("\r");
    const lines = (this.#line + text).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.#take(line) ?? []);
    if (this.#line.length + this.#dataLength > MAX_PENDING) throw new EventTooLong();
    return events;
  }

  /** A whole line: a field, or the blank line that ends an event. */
  #take(line: string): ServerEvent | undefined {
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
