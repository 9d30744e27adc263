// /cache/{key} against the standards, over raw sockets: a table of requirements with their sections. The
// public suite http-tests/cache-tests is for caches that forward to an origin; here the service is the
// origin, and caches in front are tested in test/stress/proxies/values.test.ts.

import { afterAll, expect, test } from "bun:test";

import { exchange } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

const server = serve();
afterAll(() => server.stop(0));

interface Expected {
  readonly status: number;
  readonly body?: string;
  /** Fields of the response: a text, a pattern, or null for a field that must be absent. */
  readonly fields?: Readonly<Record<string, string | RegExp | null>>;
}
/** "GET" or "PUT: text", with fields. `ETAG` stands for the ETag of the present value. */
type Step = readonly [request: string, fields: readonly string[], expected: Expected];
type Row = readonly [section: string, requirement: string, ...steps: Step[]];

const CREATED: Step = ["PUT: value", ["Cache-Control: max-age=60"], { status: 201 }];
const PUT = (...fields: string[]): Step => ["PUT: value", fields, { status: 201 }];

const TABLE: readonly Row[] = [
  [
    "RFC 9110 9.3.1",
    "GET returns the representation",
    CREATED,
    ["GET", [], { status: 200, body: "value" }],
  ],
  [
    "RFC 9110 9.3.2",
    "HEAD has the fields of GET, with its Content-Length, and no body",
    CREATED,
    ["HEAD", [], { status: 200, body: "", fields: { "content-length": "5", etag: /^"/ } }],
  ],
  [
    "RFC 9110 9.3.4",
    "PUT that creates is 201, PUT that replaces is 204",
    CREATED,
    ["PUT: other", [], { status: 204, body: "" }],
    ["GET", [], { status: 200, body: "other" }],
  ],
  [
    "RFC 9110 9.3.4",
    "a PUT of nothing stores an empty value",
    ["PUT: ", [], { status: 201 }],
    ["GET", [], { status: 200, body: "" }],
  ],
  [
    "RFC 9110 9.3.5",
    "DELETE is 204, and then 404",
    CREATED,
    ["DELETE", [], { status: 204, body: "" }],
    ["DELETE", [], { status: 404 }],
    ["GET", [], { status: 404 }],
  ],
  [
    "RFC 9110 8.3",
    "Content-Type is that of the representation",
    PUT("Content-Type: text/html; charset=utf-8"),
    ["GET", [], { status: 200, fields: { "content-type": "text/html; charset=utf-8" } }],
  ],
  [
    "RFC 9110 8.3",
    "a value without a type is application/octet-stream",
    CREATED,
    ["GET", [], { status: 200, fields: { "content-type": "application/octet-stream" } }],
  ],
  [
    "RFC 9110 8.8.3",
    "an ETag is a quoted text, strong, and in the response to a PUT too",
    ["PUT: value", [], { status: 201, fields: { etag: /^"[\x21\x23-\x7e]+"$/ } }],
    ["GET", [], { status: 200, fields: { etag: /^"[\x21\x23-\x7e]+"$/ } }],
  ],
  [
    "RFC 9110 13.1.1",
    "If-Match with the ETag is true",
    CREATED,
    ["PUT: 2", ["If-Match: ETAG"], { status: 204 }],
  ],
  [
    "RFC 9110 13.1.1",
    "If-Match with another ETag is 412",
    CREATED,
    ["PUT: 2", ['If-Match: "x"'], { status: 412 }],
    ["GET", [], { status: 200, body: "value" }],
  ],
  [
    "RFC 9110 13.1.1",
    "If-Match compares strongly",
    CREATED,
    ["PUT: 2", ["If-Match: W/ETAG"], { status: 412 }],
  ],
  [
    "RFC 9110 13.1.1",
    "If-Match: * needs a representation",
    ["PUT: 2", ["If-Match: *"], { status: 412 }],
    ["DELETE", ["If-Match: *"], { status: 412 }],
  ],
  [
    "RFC 9110 13.1.1",
    "a list of If-Match is true if one matches",
    CREATED,
    ["DELETE", ['If-Match: "x", ETAG'], { status: 204 }],
  ],
  [
    "RFC 9110 13.1.2",
    "If-None-Match: * stores only a new representation",
    PUT("If-None-Match: *"),
    ["PUT: 2", ["If-None-Match: *"], { status: 412 }],
  ],
  [
    "RFC 9110 13.1.2",
    "If-None-Match with the ETag is 304 for GET and HEAD",
    CREATED,
    ["GET", ["If-None-Match: ETAG"], { status: 304, body: "" }],
    ["HEAD", ["If-None-Match: ETAG"], { status: 304, body: "" }],
  ],
  [
    "RFC 9110 13.1.2",
    "If-None-Match with the ETag is 412 for PUT",
    CREATED,
    ["PUT: 2", ["If-None-Match: ETAG"], { status: 412 }],
  ],
  [
    "RFC 9110 13.1.2",
    "If-None-Match compares weakly",
    CREATED,
    ["GET", ["If-None-Match: W/ETAG"], { status: 304 }],
  ],
  [
    "RFC 9110 13.1.2",
    "another ETag is no match",
    CREATED,
    ["GET", ['If-None-Match: "x"'], { status: 200, body: "value" }],
  ],
  [
    "RFC 9110 13.2.2",
    "If-Match is evaluated before If-None-Match",
    CREATED,
    ["GET", ['If-Match: "x"', "If-None-Match: ETAG"], { status: 412 }],
    ["GET", ["If-Match: ETAG", "If-None-Match: ETAG"], { status: 304 }],
  ],
  [
    "RFC 9110 13.2.1",
    "a condition of a missing value is not evaluated for GET",
    ["GET", ["If-Match: *"], { status: 404 }],
  ],
  [
    "RFC 9110 15.4.5",
    "304 has the fields that a 200 would have, and no Content-Type",
    CREATED,
    [
      "GET",
      ["If-None-Match: ETAG"],
      {
        status: 304,
        fields: { etag: /^"/, "cache-control": /^max-age=\d+$/, "transfer-encoding": null },
      },
    ],
  ],
  [
    "RFC 9110 14.2",
    "Range may be ignored",
    CREATED,
    [
      "GET",
      ["Range: bytes=0-1"],
      { status: 200, body: "value", fields: { "content-range": null } },
    ],
  ],
  [
    "RFC 9110 14.5",
    "a PUT with Content-Range is 400",
    ["PUT: v", ["Content-Range: bytes 0-0/5"], { status: 400 }],
  ],
  [
    "RFC 9110 8.4",
    "a coding that is not kept is 415",
    ["PUT: v", ["Content-Encoding: gzip"], { status: 415 }],
  ],
  [
    "RFC 9110 15.5.6",
    "405 has Allow",
    ["POST: v", [], { status: 405, fields: { allow: "GET, HEAD, PUT, DELETE" } }],
  ],
  [
    "RFC 9111 5.2.2.1",
    "max-age is the rest of the lifetime, from 0 on",
    PUT("Cache-Control: max-age=60"),
    ["GET", [], { status: 200, fields: { "cache-control": /^max-age=(59|60|5\d)$/ } }],
  ],
  [
    "RFC 9111 5.2.2.10",
    "s-maxage wins over max-age",
    PUT("Cache-Control: max-age=5, s-maxage=7000"),
    ["GET", [], { status: 200, fields: { "cache-control": /^max-age=(7000|6\d\d\d)$/ } }],
  ],
  [
    "RFC 9111 5.2",
    "directives have any case, and quoted arguments",
    PUT('Cache-Control: PUBLIC, Max-Age="9000"'),
    ["GET", [], { status: 200, fields: { "cache-control": /^max-age=(9000|8\d\d\d)$/ } }],
  ],
  [
    "RFC 9111 5.2.3",
    "an unknown directive is ignored",
    PUT("Cache-Control: max-age=60, x-new, y=1"),
    ["GET", [], { status: 200 }],
  ],
  [
    "RFC 9111 4.2.1",
    "of two equal directives the first counts",
    PUT("Cache-Control: max-age=9000, max-age=1"),
    ["GET", [], { status: 200, fields: { "cache-control": /^max-age=(9000|8\d\d\d)$/ } }],
  ],
  [
    "RFC 9111 5.2.2.5",
    "no-store forbids to store",
    ["PUT: v", ["Cache-Control: no-store"], { status: 400 }],
    ["GET", [], { status: 404 }],
  ],
  [
    "RFC 9111 5.2.2.4",
    "a value without a lifetime must be validated",
    PUT(),
    ["GET", [], { status: 200, fields: { "cache-control": "no-cache" } }],
  ],
  [
    "RFC 9111 5.1",
    "Age is a number, and 0 where max-age is the rest",
    CREATED,
    ["GET", [], { status: 200, fields: { age: "0" } }],
  ],
  [
    "RFC 9111 4.2.4",
    "a stale value is not served without a request for it",
    PUT("Cache-Control: max-age=0, stale-while-revalidate=60"),
    ["GET", [], { status: 404 }],
  ],
  [
    "RFC 9111 5.2.1.2",
    "max-stale accepts a stale value, which has no lifetime left",
    PUT("Cache-Control: max-age=0, stale-while-revalidate=600"),
    [
      "GET",
      ["Cache-Control: max-stale=500"],
      { status: 200, body: "value", fields: { "cache-control": "max-age=0", age: /^[1-9]\d*$/ } },
    ],
    ["GET", ["Cache-Control: max-stale"], { status: 200 }],
  ],
  [
    "RFC 5861 3",
    "stale-while-revalidate is a number of seconds",
    ["PUT: v", ["Cache-Control: max-age=1, stale-while-revalidate=x"], { status: 400 }],
  ],
  [
    "RFC 9211 2.1",
    "a hit is in Cache-Status",
    CREATED,
    ["GET", [], { status: 200, fields: { "cache-status": /^ringcache; hit; ttl=\d+$/ } }],
  ],
  [
    "RFC 9211 2.2",
    "a miss has the reason why it would be forwarded",
    ["GET", [], { status: 404, fields: { "cache-status": "ringcache; fwd=uri-miss" } }],
  ],
  [
    "RFC 9211 2.3",
    "the ttl of a stale value is negative",
    PUT("Cache-Control: max-age=0, stale-while-revalidate=600"),
    [
      "GET",
      ["Cache-Control: max-stale"],
      { status: 200, fields: { "cache-status": /^ringcache; hit; ttl=-\d+$/ } },
    ],
  ],
  [
    "RFC 7240 2",
    "an unknown preference is ignored",
    ["GET", ["Lease: 10", "Prefer: x=y, wait=z"], { status: 404, fields: { lease: /^[\w-]+$/ } }],
  ],
  [
    "RFC 9110 10.2.3",
    "Retry-After is a number of seconds",
    ["GET", ["Lease: 10"], { status: 404 }],
    ["GET", ["Lease: 10"], { status: 404, fields: { "retry-after": /^\d+$/, lease: null } }],
  ],
  [
    "RFC 9111 3",
    "no cache may keep a miss, an error or a lease",
    ["GET", [], { status: 404, fields: { "cache-control": "no-store" } }],
    ["GET", ["Lease: 10"], { status: 404, fields: { "cache-control": "no-store" } }],
  ],
  [
    "Fetch 3.6",
    "no browser guesses a type",
    CREATED,
    ["GET", [], { status: 200, fields: { "x-content-type-options": "nosniff" } }],
  ],
];

for (const [index, [section, requirement, ...steps]] of TABLE.entries()) {
  test(`${section}: ${requirement}`, async () => {
    const path = `/cache/conformance/${index}`;
    let etag = "";
    for (const [request, fields, expected] of steps) {
      const [method = "", body] = request.split(/: ?(.*)/s);
      const lines = [
        `${method} ${path} HTTP/1.1`,
        ...["Host: localhost", "Connection: close"],
        ...fields.map((field) => field.replace("ETAG", etag)),
        ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
      ];
      const text = await exchange(server.url, `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`);
      const [head = "", received] = text.split(/\r\n\r\n(.*)/s);
      const [statusLine = "", ...rest] = head.split("\r\n");
      const found = new Map(
        rest
          .map((line) => line.split(/: ?(.*)/s))
          .map(([name = "", value = ""]) => [name.toLowerCase(), value]),
      );
      const shown = [request, ...fields];
      expect([...shown, Number(statusLine.split(" ")[1])]).toEqual([...shown, expected.status]);
      if (expected.body !== undefined)
        expect([...shown, received]).toEqual([...shown, expected.body]);
      for (const [name, value] of Object.entries(expected.fields ?? {})) {
        const wanted =
          value instanceof RegExp ? expect.stringMatching(value) : (value ?? undefined);
        expect([...shown, name, found.get(name)]).toEqual([...shown, name, wanted]);
      }
      etag = found.get("etag") ?? etag;
    }
  });
}
