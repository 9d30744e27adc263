// A route of the HTTP API: what Bun.serve is given, and what /openapi.json says of it.

import type { Handler } from "./api/handlers.ts";
import type { AdmissionRule } from "./admission/admission.ts";
import type { HttpCommand } from "./metrics.ts";
import type { BodyHandler } from "./body.ts";
import * as schemas from "./api/schemas.ts";

export type Method = "GET" | "POST" | "DELETE";

/** An answer, which is JSON if it says no other type. */
export interface ResponseDescription {
  readonly description: string;
  readonly type?: string;
  readonly schema?: schemas.Schema;
}

export interface Route extends AdmissionRule {
  readonly method: Method;
  readonly path: string;
  readonly command: HttpCommand;
  readonly summary: string;
  /** Parameters of the query or the path, all of them needed. */
  readonly parameters?: Readonly<Record<string, schemas.Schema>>;
  readonly body?: schemas.Schema;
  /** By status. */
  readonly answers: Readonly<Record<number, ResponseDescription>>;
  /** Whether it answers as ever while the cache is loaded. */
  readonly whileLoading?: boolean;
  /** What answers: of the request, or of its body. */
  readonly call: { readonly handle: Handler } | { readonly answer: BodyHandler };
}

export const error = (description: string): ResponseDescription => ({
  description,
  schema: schemas.ERROR,
});
export const json = (description: string, schema: schemas.Schema): ResponseDescription => ({
  description,
  schema,
});
