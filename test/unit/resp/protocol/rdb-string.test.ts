// Strings of DUMP payloads: heads, checksums and compressed bytes.

import { describe, expect, test } from "bun:test";

import { Crc64 } from "../../../../src/resp/protocol/crc64.ts";
import { LzfReader } from "../../../../src/resp/protocol/lzf.ts";
import { integerForm, readString, stringHead } from "../../../../src/resp/protocol/rdb-string.ts";
import { random } from "../../../lib/random.ts";

const slice = (bytes: Buffer) => ({ bytes, start: 0, end: bytes.length });
const hex = (text: string) => slice(Buffer.from(text, "hex"));

test("the checksum of the digits is the known one, however they are split", () => {
  const digits = slice(Buffer.from("123456789"));
  for (let at = 0; at <= digits.end; at++) {
    const crc = new Crc64();
    crc.update({ ...digits, end: at });
    crc.update({ ...digits, start: at });
    expect(crc.digest().toString("hex")).toBe("cad9b8c414d9c6e9");
  }
});

describe("a string", () => {
  test("is read behind its own head", () => {
    for (const length of [0, 1, 63, 64, 16_383, 16_384, 70_000]) {
      const bytes = Buffer.concat([stringHead(length), Buffer.alloc(length, 7)]);
      const value = readString(slice(bytes))?.value;
      expect((value?.end ?? 0) - (value?.start ?? 0)).toBe(length);
      expect(readString({ ...slice(bytes), end: bytes.length - 1 })).toBeUndefined();
    }
  });

  test("that is a small integer has a short form", () => {
    for (const text of [
      "0",
      "-1",
      "127",
      "-128",
      "128",
      "32767",
      "-32768",
      "32768",
      "-2147483648",
    ]) {
      const form = integerForm(slice(Buffer.from(text)));
      const { bytes, start, end } = readString(slice(form ?? Buffer.alloc(0)))?.value ?? hex("");
      expect(bytes.toString("latin1", start, end)).toBe(text);
    }
    for (const text of ["", "-0", "007", "1.5", "2147483648", "+1"])
      expect(integerForm(slice(Buffer.from(text)))).toBeUndefined();
  });
});

describe("compressed bytes", () => {
  test("of a run and of a repetition are decompressed", () => {
    const decompress = (from: string, length: number) => {
      const reader = new LzfReader(hex(from), length);
      return [reader.step(), reader.output.toString("latin1")];
    };
    expect(decompress("016161e02b00016161", 56)).toEqual(["done", "a".repeat(56)]);
    const text = "abcabcabcabcabcabcXabcabcabcabcabc";
    expect(decompress("0361626361e005020058e0040f016263", 34)).toEqual(["done", text]);
  });

  test("of any content end as done or malformed, inside of the output", () => {
    const { below } = random();
    for (let n = 0; n < 20_000; n++) {
      const bytes = Buffer.from(Array.from({ length: below(30) }, () => below(256)));
      const reader = new LzfReader(slice(bytes), below(600));
      expect(["done", "malformed"]).toContain(reader.step());
    }
  });
});
