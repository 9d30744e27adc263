// The description of the HTTP API for programs, made from the table of routes: OpenAPI 3.1.

import { version } from "../config.ts";
import type { Answer, Route } from "./routes.ts";

const JSON_TYPE = "application/json";

/** A document of OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0), ready for JSON. */
export function openApiOf(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    // Bun's /a/:b is OpenAPI's /a/{b}.
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "ringcache",
      version,
      description: "An in-memory key-value cache. Every answer in JSON has a status, OK or ERROR.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    paths,
  };
}

function operationOf({ method, path, summary, parameters, body, answers }: Route) {
  const named = Object.entries(parameters ?? {}).map(([name, schema]) => {
    return { name, in: path.includes(`:${name}`) ? "path" : "query", required: true, schema };
  });
  const name = path.replace(/\W+/g, "_").replace(/^_|_$/g, "");
  return {
    operationId: `${method.toLowerCase()}_${name === "" ? "dashboard" : name}`,
    summary,
    ...(named.length > 0 ? { parameters: named } : {}),
    ...(body
      ? { requestBody: { required: true, content: { [JSON_TYPE]: { schema: body } } } }
      : {}),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, responseOf(answer)]),
    ),
  };
}

function responseOf({ description, type = JSON_TYPE, schema }: Answer) {
  return { description, content: { [type]: schema ? { schema } : {} } };
}
