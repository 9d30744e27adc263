// Functions that respond to requests.

import type { JsonObject } from "./json.ts";

export type Handler = (req: Request) => Response | Promise<Response>;

/** Responds to a request with this body. */
export type BodyHandler = (body: JsonObject, req: Request) => Response | Promise<Response>;

/** Responds to a body whose text it can read without a parser; returns undefined for any other text. */
export type TextHandler = (text: string) => Response | undefined;

/** Responds to a request whose body is a JSON array. */
export type ListHandler = (list: readonly unknown[], req: Request) => Response | Promise<Response>;

/** Responds to a request with a body of these bytes, which are valid until the function returns. */
export type BytesHandler = (bytes: Uint8Array, req: Request) => Response | Promise<Response>;

/** Responds to a request that began at `startMs`. */
export type TimedHandler = (req: Request, startMs: number) => Response | Promise<Response>;

/** Records a response before it is sent, and returns it. */
export type RecordResponse = (req: Request, response: Response, startMs: number) => Response;
