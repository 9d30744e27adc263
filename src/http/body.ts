// The bodies of requests, JSON or any bytes: read within the byte budget and passed to the route's
// handler.
//
//   up to SMALL_BYTES    the runtime reads the body as text; the connection pays for it
//   above, or chunked    large-body.ts reads and claims; JSON is parsed one body at a time

import { type BodyBudget, SMALL_BYTES } from "./admission/body-budget.ts";
import type { LoadShedder } from "./admission/load-shedding.ts";
import { type BodyShape, checkShape } from "./body-shape.ts";
import { BodySource } from "./body-source.ts";
import { HttpError, OVERLOADED, type Reject, sizeError } from "./error.ts";
import type {
  BodyHandler,
  BytesHandler,
  ListHandler,
  RecordResponse,
  TextHandler,
  TimedHandler,
} from "./handler.ts";
import { isObject, kindOf } from "./json.ts";
import { type LargeForm, readLarge } from "./large-body.ts";
import type { ParseTurns } from "./parse-turns.ts";
import type { ReceivedBody } from "./received-body.ts";

/**
 * Memory of a parsed body at most: for each byte, the text and its strings; for each mark, an object
 * with a name of its own. Measured: 1.3 MB with 10,000 entries take 6.1 MB.
 */
const PARSED_PER_BYTE = 3;
const PARSED_PER_MARK = 64;
/** The same for a small body, whose structure is not checked before it is parsed: a valid and a rejected one. */
const SMALL_VALID_PER_BYTE = 4;
const SMALL_REJECTED_PER_BYTE = 64;

export interface BodyContext {
  readonly maxBodyBytes: number;
  readonly budget: BodyBudget;
  readonly parseTurns: ParseTurns;
  readonly shedder: LoadShedder;
  readonly reject: Reject;
  /** Starts the time of --idle-timeout again. */
  readonly renewTimeout: (req: Request) => void;
}

interface JsonHandler {
  /** Responds to a request with this body, or returns the error of a body of another kind. */
  readonly handle: (body: unknown, req: Request) => Response | Promise<Response> | HttpError;
  readonly handleText?: TextHandler | undefined;
}

export function objectHandler(
  route: Readonly<{ handleBody: BodyHandler; handleText?: TextHandler | undefined }>,
): JsonHandler {
  const { handleBody, handleText } = route;
  return {
    handle: (body, req) =>
      isObject(body)
        ? handleBody(body, req)
        : new HttpError(400, `the body is ${kindOf(body)}; it must be a JSON object`),
    handleText,
  };
}

export function listHandler(handleList: ListHandler): JsonHandler {
  return {
    handle: (body, req) =>
      Array.isArray(body)
        ? handleList(body, req)
        : new HttpError(400, `the body is ${kindOf(body)}; it must be a JSON array`),
  };
}

/**
 * Returns a handler that reads JSON of at most `maxBodyBytes` and passes it to `json`, or
 * responds with the error of the body. One promise for a small body and no async function: with
 * two of them a put cost 16.8 µs of CPU instead of 16.1, in one run.
 */
export function handlerOfBody(
  context: BodyContext,
  shape: BodyShape,
  json: JsonHandler,
  record: RecordResponse,
): TimedHandler {
  const { maxBodyBytes, budget, shedder, reject } = context;
  const respond = (body: unknown, req: Request): Response | Promise<Response> => {
    if (body instanceof HttpError) return reject(body);
    const response = json.handle(body, req);
    return response instanceof HttpError ? reject(response) : response;
  };
  const respondToText = (text: string, req: Request): Response | Promise<Response> => {
    // Bodies that arrive together are handled one after another: by the last of them the loop may be late.
    if (shedder.wasLate && shedder.shouldReject(performance.now())) return reject(OVERLOADED);
    return json.handleText?.(text) ?? respond(parsedOf(text), req);
  };
  const smallBytesMax = Math.min(SMALL_BYTES, maxBodyBytes);
  const form: LargeForm = {
    maxBytes: maxBodyBytes,
    tooLarge: sizeError("body", maxBodyBytes),
    pass: async (body, handle) => {
      await context.parseTurns.begin();
      let response: Promise<Response>;
      try {
        response = handle(checkBody(context, shape, body) ?? body.parse());
      } finally {
        context.parseTurns.end();
      }
      // The response may have to wait for room, and this makes some.
      body.release();
      return await response;
    },
    errorOf: errorOfBody,
  };
  return (req, startMs) => {
    const contentLength = req.headers.get("content-length");
    const bytes = Number(contentLength);
    if (contentLength === null || bytes > smallBytesMax) {
      const announced = contentLength === null ? undefined : bytes;
      return readLarge(context, form, req, announced, async (body) =>
        record(req, await respond(body, req), startMs),
      );
    }
    return req.text().then(
      (text) => {
        const response = respondToText(text, req);
        const isRejected = response instanceof Response && response.status === 400;
        if (isRejected) budget.leave(bytes * SMALL_REJECTED_PER_BYTE);
        else budget.leaveSmall(bytes * SMALL_VALID_PER_BYTE);
        if (response instanceof Response) return record(req, response, startMs);
        return response.then((later) => record(req, later, startMs));
      },
      (error: unknown) => {
        budget.leave(bytes * SMALL_REJECTED_PER_BYTE);
        return record(req, reject(errorOfBody(error)), startMs);
      },
    );
  };
}

/**
 * Returns a handler that reads a body of any bytes, at most `maxBytes`, and passes it to `handleBytes`.
 * The bytes are valid until `handleBytes` returns.
 */
export function handlerOfBytes(
  context: BodyContext,
  maxBytes: number,
  tooLarge: HttpError,
  handleBytes: BytesHandler,
  record: RecordResponse,
): TimedHandler {
  const { budget, shedder, reject } = context;
  const respond = (bytes: unknown, req: Request): Response | Promise<Response> => {
    if (shedder.shouldReject(performance.now())) return reject(OVERLOADED);
    return bytes instanceof Uint8Array ? handleBytes(bytes, req) : reject(errorOfBytes(bytes));
  };
  const form: LargeForm = {
    maxBytes,
    tooLarge,
    pass: async (body, handle) => {
      const response = handle(body.bytes.subarray(0, body.end));
      budget.leave(body.end);
      body.release();
      return await response;
    },
    errorOf: errorOfBytes,
  };
  const smallBytesMax = Math.min(SMALL_BYTES, maxBytes);
  return async (req, startMs) => {
    const contentLength = req.headers.get("content-length");
    const length = Number(contentLength);
    if (contentLength === null || length > smallBytesMax) {
      const announced = contentLength === null ? undefined : length;
      return await readLarge(context, form, req, announced, async (bytes) =>
        record(req, await respond(bytes, req), startMs),
      );
    }
    const bytes = await req.bytes().catch((error: unknown) => error);
    budget.leave(length);
    return record(req, await respond(bytes, req), startMs);
  };
}

/** Responds once the body of the request, if it has one, has been discarded. */
export function afterBody(
  { renewTimeout }: BodyContext,
  req: Request,
  respond: () => Response | Promise<Response>,
): Response | Promise<Response> {
  if (req.body === null && req.headers.get("transfer-encoding") === null) return respond();
  return new BodySource(req, renewTimeout).respondAfterDiscard(respond);
}

/** Returns the value of a JSON text, or the error of a text that is no JSON. */
function parsedOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return errorOfBody(error);
  }
}

/** Returns the error of a received body that is not to be parsed; otherwise claims the memory of the parsed one. */
function checkBody(
  { budget, shedder }: BodyContext,
  shape: BodyShape,
  body: ReceivedBody,
): HttpError | undefined {
  if (shedder.shouldReject(performance.now())) return OVERLOADED;
  const marks = checkShape(body.bytes, body.end, shape);
  if (marks instanceof HttpError) return marks;
  const bytes = PARSED_PER_BYTE * body.end + PARSED_PER_MARK * marks;
  body.claimMore(bytes);
  budget.leave(bytes);
  return undefined;
}

/** Returns the HTTP error of a body that could not be read or parsed; throws all other errors. */
function errorOfBody(error: unknown): HttpError {
  if (error instanceof SyntaxError) {
    const isCut = error.message.endsWith("Unexpected EOF");
    const reason = isCut ? "it is empty or cut short; send a JSON object" : error.message;
    return new HttpError(400, `the body is not JSON: ${reason}`);
  }
  if (error instanceof RangeError) return new HttpError(400, "the body is nested too deeply");
  return errorOfBytes(error);
}

/** Returns the HTTP error of a body that could not be read; throws all other errors. */
function errorOfBytes(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  // The client left in the middle of its body: nobody reads this response.
  if (error instanceof Error && error.name === "AbortError") {
    return new HttpError(400, "the body ended early");
  }
  throw error;
}
