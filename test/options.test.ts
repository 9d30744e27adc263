import { describe, expect, test } from "bun:test";

import {
  helpText,
  OptionError,
  type OptionTable,
  readOptions,
  unknownVariables,
} from "../src/options.ts";

const TABLE = {
  port: { kind: "integer", default: 1, min: 0, max: 99, alsoEnv: "PORT", help: "a port" },
  maxRate: { kind: "number", default: 0.5, min: 0, max: 10, help: "a rate" },
  color: { kind: "choice", default: "red", of: ["red", "blue"], help: "a colour" },
  verbose: { kind: "switch", default: false, aliases: ["v"], help: "say more" },
  host: { kind: "text", default: "here", placeholder: "a name", help: "a host" },
  room: { kind: "bytes", default: 2 ** 20, min: 1024, max: 2 ** 30, help: "how much" },
  limit: { kind: "bytes", default: "auto", min: 1, max: 2 ** 20, help: "at most" },
  count: { kind: "integer", default: 3, min: 1, max: 9, aliases: ["n"], help: "how many" },
} as const satisfies OptionTable;

const DEFAULTS = {
  port: 1,
  maxRate: 0.5,
  color: "red",
  verbose: false,
  host: "here",
  room: 2 ** 20,
  limit: "auto",
  count: 3,
};

function read(args: readonly string[], env: Record<string, string> = {}) {
  return readOptions(TABLE, args, env, "APP_");
}

describe("values", () => {
  test("defaults stand where nothing is given", () => {
    expect(read([])).toEqual(DEFAULTS as ReturnType<typeof read>);
  });

  test("a flag takes its value after a space or an equals sign, with one dash or two", () => {
    for (const args of [["--port", "7"], ["--port=7"], ["-port", "7"], ["-port=7"]]) {
      expect(read(args).port).toBe(7);
    }
    expect(read(["-n", "5"]).count).toBe(5);
    expect(read(["--max-rate", "2.25", "--color=blue", "--host", "there"])).toMatchObject({
      maxRate: 2.25,
      color: "blue",
      host: "there",
    });
  });

  test("a switch needs no value and takes one", () => {
    expect(read(["--verbose"]).verbose).toBe(true);
    expect(read(["-v"]).verbose).toBe(true);
    expect(read(["--verbose=false"], { APP_VERBOSE: "1" }).verbose).toBe(false);
  });

  test("bytes come with a unit or without, of 1024 each", () => {
    for (const text of ["2097152", "2048kb", "2mb", "2MB", "2.0Mb", "2097152b"]) {
      expect(read(["--room", text]).room).toBe(2 ** 21);
    }
    expect(read(["--room", "1.5kb"]).room).toBe(1536);
    expect(read(["--limit", "auto"]).limit).toBe("auto");
    expect(read(["--limit=7"]).limit).toBe(7);
  });

  test("the last of several flags counts", () => {
    expect(read(["--port=1", "--port=2"]).port).toBe(2);
  });

  test("flag goes before own variable, that before the other, that before the default", () => {
    expect(read([], { PORT: "4" }).port).toBe(4);
    expect(read([], { PORT: "4", APP_PORT: "5" }).port).toBe(5);
    expect(read(["--port=6"], { PORT: "4", APP_PORT: "5" }).port).toBe(6);
    expect(read([], { APP_MAX_RATE: "1" }).maxRate).toBe(1);
  });

  test("a variable behind a flag is not looked at", () => {
    expect(read(["--port=6"], { APP_PORT: "x" }).port).toBe(6);
  });

  test("an empty variable counts as not set", () => {
    expect(read([], { APP_PORT: "", PORT: "4" }).port).toBe(4);
  });
});

describe("refusals name the option, the value and what is allowed", () => {
  const cases: readonly (readonly [readonly string[], Record<string, string>, string])[] = [
    [["--port=100"], {}, `--port: "100" is not a whole number from 0 to 99`],
    [["--port", "1.5"], {}, `--port: "1.5" is not a whole number from 0 to 99`],
    [["--port", "0x10"], {}, `--port: "0x10" is not a whole number from 0 to 99`],
    [["--port", ""], {}, `--port: "" is not a whole number from 0 to 99`],
    [["--port", "NaN"], {}, `--port: "NaN" is not a whole number from 0 to 99`],
    [["--max-rate=Infinity"], {}, `--max-rate: "Infinity" is not a number from 0 to 10`],
    [["--color", "green"], {}, `--color: "green" is not red or blue`],
    [["--host="], {}, `--host: "" is not a name`],
    [["--verbose=2"], {}, `--verbose: "2" is not true or false`],
    [["--room", "1tb"], {}, `--room: "1tb" is not bytes, kb, mb or gb, from 1kb to 1gb`],
    [["--room", "2gb"], {}, `--room: "2gb" is not bytes, kb, mb or gb, from 1kb to 1gb`],
    [["--room", "auto"], {}, `--room: "auto" is not bytes, kb, mb or gb, from 1kb to 1gb`],
    [["--limit", "mb"], {}, `--limit: "mb" is not auto or bytes, kb, mb or gb, from 1 to 1mb`],
    [["--host"], {}, "--host needs a value: a name"],
    [["stray"], {}, `unexpected argument "stray"; options start with --`],
    [[], { APP_COUNT: "0" }, `APP_COUNT: "0" is not a whole number from 1 to 9`],
    [[], { PORT: "http" }, `PORT: "http" is not a whole number from 0 to 99`],
    [
      ["-p=1"],
      {},
      `unknown option "-p"; the options are --port, --max-rate, --color, --verbose, --host, --room, --limit, --count`,
    ],
    [
      ["--colour", "red"],
      {},
      `unknown option "--colour"; the options are --port, --max-rate, --color, --verbose, --host, --room, --limit, --count`,
    ],
  ];
  for (const [args, env, message] of cases) {
    test(message, () => {
      expect(() => read(args, env)).toThrow(new OptionError(message));
    });
  }
});

test("the help text has spellings, meaning and range of every option", () => {
  const lines = helpText(TABLE, "APP_").split("\n");
  expect(lines).toHaveLength(Object.keys(TABLE).length * 3);
  expect(lines.slice(0, 3)).toEqual([
    "  --port, APP_PORT, PORT",
    "      a port",
    "      a whole number from 0 to 99; default 1",
  ]);
  expect(lines[9]).toBe("  --verbose, -v, APP_VERBOSE");
  expect(lines[11]).toBe("      a switch");
});

test("variables that no option is read from are named, but for those of Kubernetes", () => {
  const env = {
    ...{ APP_PORT: "1", PORT: "2", APP_MAX_RATE: "1", HOME: "/", APPLE: "1" },
    ...{ APP_MAXRATE: "1", APP_V: "true" },
    ...{ APP_SERVICE_HOST: "10.0.0.1", APP_SERVICE_PORT_HTTP: "80", APP_PORT_80_TCP: "tcp://…" },
  };
  expect(unknownVariables(TABLE, env, "APP_")).toEqual(["APP_MAXRATE", "APP_V"]);
});
