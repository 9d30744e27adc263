// A found value is in its response as JSON.parse reads it, with any byte at any place.

import { expect, test } from "bun:test";

import { ByteBuffer } from "../../../src/cache/cache.ts";
import { FoundResponse } from "../../../src/http/api/respond.ts";
import type { LargeResponses } from "../../../src/http/large-responses.ts";

const REQUEST = new Request("http://h/get");

/** All responses are small. */
const LARGE: Pick<LargeResponses, "isSmall" | "sendText"> = {
  isSmall: () => true,
  sendText: (_req, text, init) => new Response(text, init),
};

async function found(key: string, value: Buffer): Promise<unknown> {
  const response = new FoundResponse(LARGE as LargeResponses);
  response.begin(ByteBuffer.ofText(key)).appendBytes(value);
  return await (await response.end(REQUEST, () => new Response())).json();
}

for (const length of [1, 2, 3, 4, 5, 7, 100, 512, 513, 600]) {
  test(`each byte is kept in a value of ${length} bytes`, async () => {
    for (let byte = 0; byte < 256; byte++) {
      for (const at of new Set([0, length >> 1, length - 1])) {
        const value = Buffer.alloc(length, "a");
        value[at] = byte;
        const text = value.toString("utf8");
        const isText = byte < 0x80;
        const encoded = isText
          ? { value: text }
          : { value: value.toString("base64"), encoding: "base64" };
        expect(await found(`k${at}`, value)).toEqual({ status: "OK", key: `k${at}`, ...encoded });
      }
    }
  });
}
