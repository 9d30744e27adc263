// A route of the HTTP API: what Bun.serve gets, and what /openapi.json says of it.

import type { AdmissionRule } from "./admission/admission.ts";
import * as schemas from "./api/schemas.ts";
import type { HttpError } from "./error.ts";
import type { BodyHandler, BytesHandler, Handler, ListHandler, TextHandler } from "./handler.ts";
import type { HttpCommand } from "./metrics.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** A response, which is JSON unless it has another type, or no body. */
export interface ResponseDescription {
  readonly description: string;
  readonly isEmpty?: boolean;
  readonly type?: string;
  readonly schema?: schemas.Schema;
}

export type ResponsesByStatus = Readonly<Record<number, ResponseDescription>>;

interface Description extends AdmissionRule {
  readonly summary: string;
  /** Required parameters of the query or the path. */
  readonly parameters?: Readonly<Record<string, schemas.Schema>>;
  /** Parameters of the query that a request may leave out. */
  readonly optional?: Readonly<Record<string, schemas.Schema>>;
  readonly responses: ResponsesByStatus;
  /** Fields of the header that the route reads; a request may leave them out. */
  readonly fields?: Readonly<Record<string, schemas.Schema>>;
  /** Another path of the route: with a wildcard, for a parameter that contains slashes. */
  readonly wildcard?: `${string}/*`;
  /** Whether the route responds as usual while the snapshot is loaded. */
  readonly whileLoading?: boolean;
}

/** Handles the request alone, a JSON object or array of this schema, or any bytes. */
export type RouteHandler =
  | { readonly handle: Handler }
  | {
      readonly body: schemas.Schema;
      readonly handleBody: BodyHandler;
      /** Is asked first, if the body is small. */
      readonly handleText?: TextHandler | undefined;
    }
  | { readonly body: schemas.Schema; readonly handleList: ListHandler }
  | {
      readonly maxBytes: number;
      /** The error of a body with more bytes. */
      readonly tooLarge: HttpError;
      readonly handleBytes: BytesHandler;
    };

export type RouteOptions = Description & RouteHandler;

export type Route = RouteOptions & {
  readonly method: Method;
  readonly path: string;
  readonly command: HttpCommand;
};

type RouteConstructor = (path: string, command: HttpCommand, options: RouteOptions) => Route;

const routeOf =
  (method: Method): RouteConstructor =>
  (path, command, options) => ({ method, path, command, ...options });

export const get = routeOf("GET");
export const post = routeOf("POST");
export const put = routeOf("PUT");
/** A route with the method DELETE. */
export const del = routeOf("DELETE");

export const error = (description: string): ResponseDescription => ({
  description,
  schema: schemas.ERROR,
});
export const empty = (description: string): ResponseDescription => ({ description, isEmpty: true });
export const json = (description: string, schema: schemas.Schema): ResponseDescription => ({
  description,
  schema,
});
