// A strict reader of HTTP/1.1 answers (RFC 9112), and the laws that every answer must keep.

const HEAD_END = Buffer.from("\r\n\r\n");
const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const START = Buffer.from("HTTP/1.1 ");

export interface Answer {
  readonly status: number;
  /** Media type of the body; "" without a body. */
  readonly type: string;
  readonly body: Buffer;
  /** Where the next answer starts. */
  readonly end: number;
}

export class LawBroken extends Error {
  override readonly name = "LawBroken";
}

/** What shows the service broken without telling which input has done it. */
export class ServiceLost extends LawBroken {}

export interface ReadOptions {
  /** Whether it answers HEAD: then it has no body, whatever its headers say. */
  readonly isHead: boolean | "perhaps";
  /** Whether these are all bytes that will come. */
  readonly isClosed: boolean;
}

/** The answer that starts at `start`, or undefined if it is not all there; throws on what is not HTTP. */
export function readAnswer(bytes: Buffer, start: number, options: ReadOptions): Answer | undefined {
  const begun = bytes.subarray(start, start + START.length);
  if (!begun.equals(START.subarray(0, begun.length))) throw broken(bytes, start, "no status line");
  const headEnd = bytes.indexOf(HEAD_END, start);
  if (headEnd < 0) return undefined;
  const bodyStart = headEnd + HEAD_END.length;
  const [statusLine = "", ...lines] = bytes.toString("latin1", start, headEnd).split("\r\n");
  const status = Number(STATUS_LINE.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw broken(bytes, start, "a wrong status line");
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) throw broken(bytes, start, "a wrong field line");
    const lower = name.toLowerCase();
    if (fields.has(lower) && /^(content-|transfer-|connection$)/.test(lower)) {
      throw broken(bytes, start, `two fields ${lower}`);
    }
    fields.set(lower, value.trimEnd());
  }
  // A value has the type that its client has put, and any bytes.
  const isValue = fields.get("cache-status")?.startsWith("ringcache; hit") === true;
  const type = isValue ? "" : (fields.get("content-type") ?? "");
  const length = fields.get("content-length");
  const coding = fields.get("transfer-encoding");
  if (length !== undefined && coding !== undefined) throw broken(bytes, start, "two lengths");
  if (length !== undefined && !/^\d+$/.test(length)) throw broken(bytes, start, "a wrong length");
  if (coding !== undefined && coding !== "chunked") throw broken(bytes, start, "a wrong coding");

  const isBare = status < 200 || status === 204 || status === 304;
  const rest = bytes.subarray(bodyStart, bodyStart + START.length);
  const looksBare = rest.length === 0 || rest.equals(START);
  if (isBare || options.isHead === true || (options.isHead === "perhaps" && looksBare)) {
    return { status, type: "", body: Buffer.alloc(0), end: bodyStart };
  }
  if (coding !== undefined) {
    const chunks = readChunks(bytes, bodyStart);
    return chunks && { status, type, ...chunks };
  }
  if (length === undefined && !options.isClosed) return undefined;
  const end = length === undefined ? bytes.length : bodyStart + Number(length);
  if (end > bytes.length) return undefined;
  return { status, type, body: bytes.subarray(bodyStart, end), end };
}

/** A chunked body without extensions and trailers, which the service has no use for. */
function readChunks(bytes: Buffer, start: number): { body: Buffer; end: number } | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = bytes.toString("latin1", at, lineEnd);
    if (!/^[\da-f]{1,8}$/i.test(size)) throw broken(bytes, start, "a wrong chunk size");
    const chunkStart = lineEnd + 2;
    const chunkEnd = chunkStart + Number.parseInt(size, 16);
    if (bytes.length < chunkEnd + 2) return undefined;
    if (bytes.toString("latin1", chunkEnd, chunkEnd + 2) !== "\r\n") {
      throw broken(bytes, start, "a chunk that is longer than its size");
    }
    if (chunkEnd === chunkStart) return { body: Buffer.concat(chunks), end: chunkEnd + 2 };
    chunks.push(bytes.subarray(chunkStart, chunkEnd));
    at = chunkEnd + 2;
  }
}

/** Throws if no request at all may be answered so. Answers the object that a JSON answer is. */
export function checkAnswer(answer: Answer): Readonly<Record<string, unknown>> {
  const { status, type, body } = answer;
  if (status === 500) throw new LawBroken(`an answer of 500: ${body.toString()}`);
  if (!type.startsWith("application/json")) return {};
  const parsed = parseJson(body);
  if (typeof parsed !== "object" || parsed === null) {
    throw new LawBroken(`an answer in JSON is no object: ${body.toString()}`);
  }
  const members = parsed as Readonly<Record<string, unknown>>;
  // /redis has the form of Upstash.
  if (Array.isArray(parsed) || "result" in members) {
    if (status !== 200) throw new LawBroken(`an answer of ${status} has results`);
    return {};
  }
  if ("error" in members) {
    if (status !== 400) throw new LawBroken(`an answer of ${status} has the error of a command`);
    return {};
  }
  // The description of the API is the one document without a status.
  const isOk = members["status"] === "OK" || typeof members["openapi"] === "string";
  if (isOk ? status !== 200 : members["status"] !== "ERROR" || status < 400) {
    throw new LawBroken(`an answer of ${status} has the wrong "status": ${body.toString()}`);
  }
  return members;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw new LawBroken(`an answer is not JSON: ${body.toString("latin1")}`, { cause: error });
  }
}

function broken(bytes: Buffer, start: number, what: string): LawBroken {
  const answer = JSON.stringify(bytes.toString("latin1", start, start + 1000));
  return new LawBroken(`an answer is not HTTP, it has ${what}: ${answer}`);
}
