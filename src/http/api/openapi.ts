// /openapi.json: the description of the HTTP API for programs, made from the table of routes.

import { version } from "../../config/config.ts";
import { error, type ResponseDescription, type ResponsesByStatus, type Route } from "../route.ts";

const JSON_TYPE = "application/json";

/** Returns a document of OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0). */
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
      description: "An in-memory key-value cache. Each JSON response has a status, OK or ERROR.",
      license: { name: "MIT", identifier: "MIT" },
    },
    // Relative to the document: a proxy may serve it under a path of its own.
    servers: [{ url: "./" }],
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "--auth-token or --read-token" },
      },
    },
    paths,
  };
}

function operationOf(route: Route) {
  const { method, path, summary, parameters = {}, optional = {}, fields = {}, access } = route;
  const responses = { ...route.responses, ...admissionErrors(route) };
  const named = Object.entries({ ...parameters, ...optional }).map(([name, schema]) => ({
    name,
    in: path.includes(`:${name}`) ? "path" : "query",
    required: Object.hasOwn(parameters, name),
    schema,
  }));
  const inHeader = Object.entries(fields).map(([name, schema]) => ({
    ...{ name, in: "header", required: false, schema },
  }));
  const all = [...named, ...inHeader];
  const name = path.replace(/\W+/g, "_").replace(/^_|_$/g, "");
  return {
    operationId: `${method.toLowerCase()}_${name === "" ? "dashboard" : name}`,
    summary,
    ...(all.length > 0 ? { parameters: all } : {}),
    // A service without a token takes requests without one.
    ...(access === "open" ? {} : { security: [{ token: [] }, {}] }),
    ...("body" in route
      ? { requestBody: { required: true, content: { [JSON_TYPE]: { schema: route.body } } } }
      : {}),
    ...("handleBytes" in route ? { requestBody: { content: { "*/*": {} } } } : {}),
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [status, responseOf(response)]),
    ),
  };
}

/** Returns the errors of AdmissionControl. */
function admissionErrors({
  access,
  mayChange = access === "write",
  isProbe,
}: Route): ResponsesByStatus {
  if (isProbe === true) return {};
  const unknownHost = "The Host is not one of --allowed-hosts";
  const forbidden = `${unknownHost}, the token may only read, or a page of another origin sends the request.`;
  return {
    ...(access === "open" ? {} : { 401: error("The request has no token, or a wrong one.") }),
    403: error(mayChange ? forbidden : `${unknownHost}.`),
  };
}

function responseOf({ description, isEmpty, type = JSON_TYPE, schema }: ResponseDescription) {
  if (isEmpty === true) return { description };
  return { description, content: { [type]: schema ? { schema } : {} } };
}
