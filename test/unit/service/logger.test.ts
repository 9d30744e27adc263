import { expect, test } from "bun:test";

import { type LogFormat, Logger } from "../../../src/service/logger.ts";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;

test("a text line has time, level, event and fields, with quotes around values that need them", () => {
  const [line = ""] = lines("text", {
    plain: "/get",
    spaced: "a b",
    empty: "",
    count: 3,
    yes: true,
  });
  expect(line).toMatch(TIME);
  expect(line.replace(TIME, "")).toBe(
    'info happened plain=/get spaced="a b" empty="" count=3 yes=true\n',
  );
});

test("a JSON line is one object", () => {
  const [line = ""] = lines("json", { path: "/get", count: 3 });
  expect(JSON.parse(line)).toEqual({
    time: expect.any(String),
    level: "info",
    event: "happened",
    path: "/get",
    count: 3,
  });
});

test("no field can break a line or reach a terminal", () => {
  const path = 'a\n\r\u001b[31m\u009b31m\u2028\u2029"b=\u007f';
  for (const format of ["text", "json"] as const) {
    const [line = "", ...more] = lines(format, { path });
    expect(more).toEqual([]);
    expect(line.trimEnd()).toMatch(/^[ -~]+$/);
  }
});

function lines(format: LogFormat, fields: Record<string, string | number | boolean>): string[] {
  const written: string[] = [];
  new Logger(format, "info", (line) => void written.push(line)).info("happened", fields);
  return written;
}

test("events that are less severe than the level are not written", () => {
  const written: string[] = [];
  const logger = new Logger("text", "warn", (line) => written.push(line));
  logger.error("one");
  logger.warn("two");
  logger.info("three");
  logger.debug("four");
  expect(written.map((line) => line.replace(TIME, ""))).toEqual(["error one\n", "warn two\n"]);
  expect([logger.has("warn"), logger.has("info")]).toEqual([true, false]);
});
