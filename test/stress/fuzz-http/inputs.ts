// The inputs of one seed, one after another: of which kind each is, and its bytes.

import type { Random } from "../../lib/random.ts";
import { Draw, mutate } from "./draw.ts";
import { type Input, type Kind, KINDS } from "./input.ts";
import { chunked, type Document, Requests, STREAM_PATH } from "./routes.ts";
import { smuggling } from "./smuggling.ts";

/** Requests in one pipeline, at most. */
const PIPELINE = 16;
const ENDINGS = ["close", "half-close", "reset"] as const;

const TARGETS = [
  ...["*", "/", "//", "/get", "get", "/./get?key=f1", "/get/../get?key=f1", "/%67et?key=f1", ""],
  ...["http://x/get?key=f1", "https://x/health", "http:///health", "http://[::1/health", "x:80"],
  ...["/get?key=f1#f2", "#", "?key=f1", "/get?key=\xff\xfe", "/get\0?key=f1", "/get?key=f 1"],
  ...["/get;key=f1", "\\get?key=f1", "/GET?key=f1", "/get/?key=f1", "/constructor", "/__proto__"],
  ...["/dashboard/", "/dashboard/../../package.json", "/dashboard/%2e%2e%2fmain.ts", "ftp://x/"],
];
const METHODS = [
  ...["HEAD", "POST", "DELETE", "PUT", "OPTIONS", "CONNECT", "TRACE", "PRI"],
  ...["get", "G\0T", "", "X".repeat(50), "M-SEARCH", "POST GET", "\tGET", "QUERY", "PATCH"],
];
const VERSIONS = [
  ...[
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "http/1.1",
  ],
  ...["HTTP/0.9", "HTTP/11", "HTTP/1.1 ", "HTTP/1.1\t", "", "HTTP/-1.1", "HTTPS/1.1", "HTTP/1.10"],
];
const FIELDS = [
  ...["Host: x", "Host:", "Host: a b", "Host: [::1", "Host: x:99999", "Host: \0", "Host: x\r\n y"],
  ...[
    "Content-Length: 0",
    "Content-Length: 2",
    "Content-Length: -2",
    "Content-Length: 9".padEnd(30, "9"),
  ],
  ...["Transfer-Encoding: chunked", "Transfer-Encoding: identity", "TE: trailers, deflate"],
  ...["Expect: 100-continue", "Expect: 200-ok", "Upgrade: websocket", "Upgrade: h2c", "Upgrade:"],
  ...["Connection: close", "Connection: Upgrade, HTTP2-Settings", "Connection: keep-alive, close"],
  ...["Connection: host", "Connection:", "HTTP2-Settings: AAMAAABkAAQAAP__", "Trailer: X-A"],
  ...["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"],
  ...["X-A : b", " X-A: b", ": b", ":", "X-A", "X A: b", "X\0A: b", "X-A: \0", "X-A: b\r\n c"],
  ...["X-A: b\rX-B: c", "X-A: b\nX-B: c", "\xe9: \xe9", "(X): b", "X-A: \x7f", "__proto__: x"],
  ...["constructor: x", "X-A: b\r", "\r", "\n", "Cookie: ".padEnd(5000, "a=b;"), "Keep-Alive: -1"],
];

export class Inputs {
  readonly #draw: Draw;
  readonly #requests: Requests;

  constructor(random: Random, document: Document) {
    this.#draw = new Draw(random);
    this.#requests = new Requests(this.#draw, document);
  }

  next(): Input {
    const kind = this.#draw.pick<Kind>(KINDS);
    if (kind === "well-formed") return this.#wellFormed();
    if (kind === "smuggling") return smuggling(this.#draw);
    if (kind === "garbage after") return this.#garbageAfter();
    return this.#unanswerable(kind, this.#bytesOf(kind));
  }

  /** Several requests in a pipeline. */
  #wellFormed(): Input {
    const draw = this.#draw;
    if (draw.oneIn(100)) {
      const request = `GET ${STREAM_PATH} HTTP/1.1\r\nHost: x\r\n\r\n`;
      return { ...this.#unanswerable("well-formed", Buffer.from(request)), cuts: [] };
    }
    const count = 1 + draw.below(PIPELINE);
    const isLast = draw.oneIn(4);
    const requests = draw.list(count, () => this.#requests.next());
    if (isLast) requests.push(this.#requests.next(true));
    const bytes = Buffer.concat(requests.map((request) => request.bytes));
    const cuts = draw.oneIn(4) ? draw.list(1 + draw.below(2), () => draw.below(bytes.length)) : [];
    return {
      kind: "well-formed",
      requests: requests.length,
      ...{ bytes, cuts },
      answers: requests.map(({ expected }) => expected),
      then: isLast ? "close" : "reuse",
    };
  }

  /** A request that comes slowly, or that something follows which is none. */
  #garbageAfter(): Input {
    const draw = this.#draw;
    const { bytes, expected } = this.#requests.next();
    const cuts = draw.list(draw.below(4), () => 1 + draw.below(bytes.length - 1));
    const common = { kind: "garbage after", requests: 1, answers: [expected] } as const;
    if (draw.oneIn(2)) return { ...common, bytes, cuts: [...cuts, 1], then: "reuse" };
    const garbage = draw.oneIn(2)
      ? draw.bytes(1 + draw.below(200))
      : Buffer.from(
          draw.pick(["\r\n", "\0", "GET", "\r\n\r\n\r\n", "\x16\x03\x01\x02", "0\r\n\r\n"]),
        );
    const withGarbage = Buffer.concat([bytes, garbage]);
    if (draw.oneIn(2)) cuts.push(bytes.length);
    return { ...common, bytes: withGarbage, cuts, then: draw.pick(ENDINGS) };
  }

  #bytesOf(kind: Kind): Buffer {
    const draw = this.#draw;
    const count = 1 + draw.below(3);
    const request = () => Buffer.concat(draw.list(count, () => this.#requests.next().bytes));
    if (kind === "mutated") {
      let bytes: Buffer = request();
      for (let times = 1 + draw.below(3); times > 0; times--) bytes = mutate(draw, bytes);
      return bytes;
    }
    if (kind === "truncated") {
      const bytes = request();
      return bytes.subarray(0, draw.below(bytes.length));
    }
    if (kind === "header abuse") return this.#headerAbuse();
    if (kind === "chunked abuse") return this.#chunkedAbuse();
    return draw.bytes(1 + draw.below(draw.oneIn(50) ? 20_000 : 500));
  }

  #headerAbuse(): Buffer {
    const draw = this.#draw;
    const lineEnd = draw.oneIn(20) ? draw.pick(["\n", "\r", "\r\r\n", "\n\r"]) : "\r\n";
    const fields = draw.list(draw.below(5), () => draw.pick(FIELDS));
    if (draw.oneIn(20)) fields.push(...draw.list(draw.below(1500), () => `X${draw.word(3)}: 1`));
    if (draw.oneIn(20)) fields.push(`X-Long: ${"x".repeat(draw.below(40_000))}`);
    if (draw.oneIn(20)) fields.push(`${"x".repeat(draw.below(40_000))}: long`);
    if (!draw.oneIn(8)) fields.unshift("Host: localhost");
    const key = encodeURIComponent(this.#requests.key().toWellFormed());
    let target = draw.oneIn(3) ? draw.pick(TARGETS) : `/get?key=${key}`;
    if (draw.oneIn(50)) target += "a".repeat(draw.below(40_000));
    // Mostly right, so that what else is odd is looked at.
    const method = draw.oneIn(3) ? draw.pick(METHODS) : "GET";
    const version = draw.oneIn(6) ? draw.pick(VERSIONS) : "HTTP/1.1";
    const requestLine = `${method} ${target} ${version}`;
    const head = [requestLine, ...fields, "", ""].join(lineEnd);
    return Buffer.from(head + draw.pick(["", "", "{}", "0\r\n\r\n"]), "latin1");
  }

  #chunkedAbuse(): Buffer {
    const draw = this.#draw;
    const body = Buffer.from(JSON.stringify({ key: this.#requests.key(), value: draw.text(20) }));
    const coding = draw.pick([
      "chunked",
      "chunked",
      "chunked",
      "chunked",
      "gzip, chunked",
      "Chunked",
    ]);
    const head = `POST /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ${coding}\r\n\r\n`;
    const size = body.length.toString(16);
    const sizeLine = draw.pick([
      ...["", "-1", "+1", "0x2", "g", " ", "ffffffff", "7fffffff", "ffffffffffffffff", "1 1", "\0"],
      ...[
        "10000000000000000",
        "fffffffffffffffffffffff",
        `${size};`,
        `${size};a`,
        `${size};a="b;\\"`,
      ],
      ...[`${size} ;a=b`, `${size};${"x".repeat(draw.below(20_000))}`, `${size};a=b\n`, ` ${size}`],
      ...[`${"0".repeat(draw.below(2000))}${size}`, `${size}\t`, `${size}\0`, size.toUpperCase()],
      ...[(body.length + 1).toString(16), (body.length - 1).toString(16), `-${size}`, "1e", "."],
    ]);
    const end = draw.pick([
      ...[
        "0\r\n\r\n",
        "0\r\n",
        "0",
        "",
        "0\n\n",
        "0\r\r",
        "00000000000000000000\r\n\r\n",
        "\r\n\r\n",
      ],
      ...["0\r\nX-A: b\r\n\r\n", "0\r\nContent-Length: 9\r\nHost: y\r\n\r\n", "0;a=b\r\n\r\n"],
      ...["0\r\nX-A: b\r\n", "0\r\n X\r\n\r\n", `0\r\n${"X: y\r\n".repeat(draw.below(3000))}\r\n`],
    ]);
    const lineEnd = draw.oneIn(8) ? draw.pick(["\n", "\r", "", "\r\n\r\n"]) : "\r\n";
    const parts = draw.oneIn(3)
      ? [chunked(draw, body).subarray(0, -5)]
      : [Buffer.from(sizeLine + lineEnd), body, Buffer.from(lineEnd)];
    return Buffer.concat([Buffer.from(head), ...parts, Buffer.from(end)]);
  }

  /** Bytes of whose answers nothing is known. */
  #unanswerable(kind: Kind, bytes: Buffer): Input {
    const draw = this.#draw;
    const cuts = bytes.length > 1 && draw.oneIn(4) ? [1 + draw.below(bytes.length - 1)] : [];
    return { kind, requests: 1, bytes, cuts, answers: [], then: draw.pick(ENDINGS) };
  }
}
