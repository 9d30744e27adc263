// Requests with another one hidden in them (request smuggling). Wherever the hidden one would
// delete a kept entry, RFC 9112 leaves no reading in which it is a request of its own: the message
// must be rejected, or its connection closed after it, or the hidden one is content.

import type { Draw } from "./draw.ts";
import { type Input, KEPT, keptKey } from "./input.ts";

type Shape = (hidden: string, draw: Draw) => readonly [fields: readonly string[], body: string];

const LAST_CHUNK = "0\r\n\r\n";

/** Fields that are Transfer-Encoding: a length beside them closes the connection (section 6.1). */
const CHUNKED = [
  ...["Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding:\tchunked"],
  ...["Transfer-Encoding: chunked ", "Transfer-Encoding: gzip, chunked"],
];

/** Fields that one parser takes for Transfer-Encoding and another does not. */
const NEARLY_CHUNKED = [
  ...["Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "Transfer-Encoding: xchunked"],
  ...[
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: chunked\0",
    "Transfer_Encoding: chunked",
  ],
  ...["Transfer-Encoding:\r\n chunked", "X: y\rTransfer-Encoding: chunked", "TE: chunked"],
  ...["X: y\nTransfer-Encoding: chunked", "Transfer-Encoding: 'chunked'", "Transfer-Encoding:"],
  ...['Transfer-Encoding: "chunked"', "Transfer-Encoding: chunked, identity", "\0: chunked"],
  ...["Transfer-Encoding: chunked;q=1", "Transfer-Encoding\t: chunked", "Transfer-Encoding\r\n: x"],
  ...["Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity"],
  ...["Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: ,chunked"],
];

/** Lengths that a sloppy parser takes for 0 (section 6.3: 400, and the connection is closed). */
const NEARLY_ZERO = [
  ...["+0", "-0", "-1", "0x0", "0 0", "0;", "", "0.0", "0e0", "\x0b0", "0\0", "zero", "0, 1", "0,"],
  // Two to the power of 64, and of 32, which is right but more than comes.
  ...["18446744073709551616", "4294967296", "'0'", "0_0", "٠"],
];

/** Sizes of a chunk that a sloppy parser takes for 0. */
const NEARLY_LAST = [
  ...["0x0", "-0", "+0", "g", "", "0.0", "0_0", "\x0b0", "0\0", "10000000000000000", "100000000"],
  ...["-1", "00x", "fffffffffffffffff0000000000000000", "0,0", "'0'"],
];

const SHAPES: readonly Shape[] = [
  // CL.TE: the length takes the hidden request in, the chunks do not.
  (hidden, draw) => {
    const body = LAST_CHUNK + hidden;
    const fields = [`Content-Length: ${body.length}`, draw.pick([...CHUNKED, ...NEARLY_CHUNKED])];
    return [draw.oneIn(2) ? fields : fields.toReversed(), body];
  },
  // TE.CL: the chunks take it in, the length does not.
  (hidden, draw) => {
    const size = `${hidden.length.toString(16)}\r\n`;
    const fields = [`Content-Length: ${size.length}`, draw.pick(CHUNKED)];
    const body = `${size}${hidden}\r\n${LAST_CHUNK}`;
    return [draw.oneIn(2) ? fields : fields.toReversed(), body];
  },
  // TE.TE: the last coding is not chunked, so the length cannot be told (section 6.3).
  (hidden, draw) => {
    const other = draw.pick(["identity", "x", "gzip", "chunked, x", "chunkedchunked"]);
    return [["Transfer-Encoding: chunked", `Transfer-Encoding: ${other}`], LAST_CHUNK + hidden];
  },
  // Two lengths.
  (hidden, draw) => {
    const fields = ["Content-Length: 0", `Content-Length: ${hidden.length}`];
    if (draw.oneIn(3)) return [[`Content-Length: 0, ${hidden.length}`], hidden];
    return [draw.oneIn(2) ? fields : fields.toReversed(), hidden];
  },
  // One length, which is none.
  (hidden, draw) => [[`Content-Length: ${draw.pick(NEARLY_ZERO)}`], hidden],
  // One chunk, whose size is none; one that is longer than its size.
  (hidden, draw) => [["Transfer-Encoding: chunked"], `${draw.pick(NEARLY_LAST)}\r\n\r\n${hidden}`],
  (hidden) => [["Transfer-Encoding: chunked"], `1\r\nab\r\n${LAST_CHUNK}${hidden}`],
  (hidden) => [["Transfer-Encoding: chunked"], `1\r\nab${LAST_CHUNK}${hidden}`],
  // In the place of the trailer section, or of a chunk's extension.
  (hidden) => [["Transfer-Encoding: chunked"], `0\r\n${hidden}`],
  (hidden) => [["Transfer-Encoding: chunked"], `2\r\n{}\r\n0\r\nX: y\r\n${hidden}`],
  (hidden) => [["Transfer-Encoding: chunked"], `0;\n\r\n\r\n${hidden}`],
];

/** Shapes in which the hidden request is content by every reading: the request is read whole and answered once. */
const CONTENT_SHAPES: readonly Shape[] = [
  (hidden) => [[`Content-Length: ${hidden.length}`], hidden],
  (hidden) => [
    ["Transfer-Encoding: chunked"],
    `${hidden.length.toString(16)}\r\n${hidden}\r\n${LAST_CHUNK}`,
  ],
];

const OUTER = [
  ...["POST /put", "POST /mget", "POST /delete", "GET /get?key=f1", "DELETE /delete?key=f1"],
  ...["POST /nowhere", "GET /health", "POST /get", "GET /"],
];

export function smuggling(draw: Draw): Input {
  const guarded = draw.below(KEPT);
  const key = keptKey(guarded);
  const json = JSON.stringify({ key });
  const hidden = draw.pick([
    `DELETE /delete?key=${key} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `POST /delete HTTP/1.1\r\nHost: x\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
  ]);
  const common = { kind: "smuggling", requests: 1, guarded } as const;
  if (draw.oneIn(8)) {
    // Nothing is hidden: a message without one valid Host must be rejected itself (section 3.2).
    const host = draw.pick(["", "Host : x\r\n", " Host: x\r\n", "Host\r\n", "Hos\0t: x\r\n"]);
    const bytes = Buffer.from(hidden.replace("Host: x\r\n", host), "latin1");
    return { ...common, bytes, answers: [], then: draw.pick(["close", "half-close"]) };
  }
  const isContent = draw.oneIn(5);
  const [fields, body] = draw.pick(isContent ? CONTENT_SHAPES : SHAPES)(hidden, draw);
  const outer = draw.pick(OUTER);
  // A chunked message of HTTP/1.0 closes its connection (section 6.1), and one without a
  // version has no fields to be misread.
  const isOld = fields.length === 1 && fields[0] === CHUNKED[0] && draw.oneIn(4);
  const head = [`${outer} HTTP/1.${isOld ? 0 : 1}`, "Host: x", ...fields, "", ""].join("\r\n");
  const bytes = Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
  const cuts = draw.oneIn(4) ? [1 + draw.below(bytes.length - 1)] : [];
  if (!isContent || isOld) {
    return { ...common, bytes, cuts, answers: [], then: draw.pick(["close", "half-close"]) };
  }
  const method = outer.slice(0, outer.indexOf(" "));
  const answers = [{ method, statuses: new Set([200, 400, 404, 405]) }];
  // The answer to a chunked message closes the connection, but that of a GET does not.
  const then = fields.some((field) => field.startsWith("Transfer-")) ? "close" : "reuse";
  return { ...common, bytes, cuts, answers, then };
}
