// A body that is too large for the connection to pay for, or whose length is not announced: it is read
// chunk by chunk, and claims room in the byte budget as it grows.

import type { BodyBudget } from "./admission/body-budget.ts";
import { BodySource } from "./body-source.ts";
import { BUDGET_EXCEEDED, type HttpError } from "./error.ts";
import { ReceivedBody } from "./received-body.ts";

/** Passes a body, or its error, to the handler of the route. */
type Handle = (body: unknown) => Promise<Response>;

/** How the bodies of a route are read. */
export interface LargeForm {
  readonly maxBytes: number;
  /** The error of a body with more. */
  readonly tooLarge: HttpError;
  /** Passes the received body on, and releases it before it waits for the response. */
  readonly pass: (body: ReceivedBody, handle: Handle) => Promise<Response>;
  /** Returns the error of the request for an exception; throws one that is a bug. */
  readonly errorOf: (error: unknown) => HttpError;
}

interface LargeContext {
  readonly budget: BodyBudget;
  /** Starts the time of --idle-timeout again. */
  readonly renewTimeout: (req: Request) => void;
}

/** `announced`: the body's length by its header; undefined for a chunked body. */
export async function readLarge(
  { budget, renewTimeout }: LargeContext,
  form: LargeForm,
  req: Request,
  announced: number | undefined,
  respondTo: Handle,
): Promise<Response> {
  const { maxBytes, tooLarge } = form;
  const source = new BodySource(req, renewTimeout);
  const respond = async (body: unknown) => source.closeIfChunked(await respondTo(body));
  if ((announced ?? 0) > maxBytes) return await source.respondAfterDiscard(() => respond(tooLarge));
  const body = new ReceivedBody(budget, announced ?? maxBytes);
  try {
    const isAdmitted = announced === undefined || body.reserve(announced);
    const error = isAdmitted ? await receive(source, body, form) : BUDGET_EXCEEDED;
    if (error !== undefined) {
      body.release();
      return await source.respondAfterDiscard(() => respond(error));
    }
    return await form.pass(body, respond);
  } catch (error) {
    return await respond(form.errorOf(error));
  } finally {
    body.release();
  }
}

/** Reads the body to its end, up to the limits. */
async function receive(
  source: BodySource,
  body: ReceivedBody,
  { maxBytes, tooLarge }: LargeForm,
): Promise<HttpError | undefined> {
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return undefined;
    if (body.end + chunk.length > maxBytes) return tooLarge;
    if (!body.append(chunk)) return BUDGET_EXCEEDED;
  }
}
