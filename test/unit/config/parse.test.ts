import { describe, expect, test } from "bun:test";

import {
  helpText,
  OptionError,
  type OptionTable,
  readOptions,
  serviceLinks,
  unknownVariables,
} from "../../../src/config/parse.ts";

const TABLE = {
  port: { kind: "integer", default: 1, min: 0, max: 99, alsoEnv: "PORT", help: "a port" },
  maxRate: { kind: "number", default: 0.5, min: 0, max: 10, help: "a rate" },
  color: { kind: "choice", default: "red", of: ["red", "blue"], help: "a colour" },
  verbose: { kind: "switch", default: false, aliases: ["v"], help: "say more" },
  host: { kind: "text", default: "here", placeholder: "a name", help: "a host" },
  room: { kind: "bytes", default: 2 ** 20, min: 1024, max: 2 ** 30, help: "how much" },
  limit: { kind: "bytes", default: "auto", min: 1, max: 2 ** 20, help: "at most" },
  pause: { kind: "integer", default: 2, min: 0, max: 300, unit: "seconds", help: "how long" },
  slow: { kind: "number", default: 0, min: 0, max: 9e6, unit: "milliseconds", help: "how slow" },
  token: { kind: "secret", default: "", help: "a secret" },
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
  pause: 2,
  slow: 0,
  token: "",
  count: 3,
};

function read(args: readonly string[], env: Record<string, string> = {}) {
  return readOptions(TABLE, args, env, "APP_");
}

describe("values", () => {
  test("an option without a value takes its default", () => {
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

  test("a switch may have a value", () => {
    expect(read(["--verbose"]).verbose).toBe(true);
    expect(read(["-v"]).verbose).toBe(true);
    expect(read(["--verbose=false"], { APP_VERBOSE: "1" }).verbose).toBe(false);
  });

  test("a size may have a unit, each of 1,024 smaller ones", () => {
    const same = ["2mb", "2MB", "2.0Mb", "2m", "2M", "2MiB", "2mib", "2048k", "2048KiB"];
    for (const text of ["2097152", "2048kb", "2097152b", ...same]) {
      expect(read(["--room", text]).room).toBe(2 ** 21);
    }
    expect(read(["--room", "1.5kb"]).room).toBe(1536);
    expect(read(["--limit", "auto"]).limit).toBe("auto");
    expect(read(["--limit=7"]).limit).toBe(7);
  });

  test("a time is in the unit of the option, or has its own unit", () => {
    for (const [text, seconds] of [
      ...[["7", 7] as const, ["30s", 30] as const, ["5m", 300] as const, ["2000ms", 2] as const],
      ...[["1.5M", 90] as const, ["0h", 0] as const, ["0d", 0] as const],
    ]) {
      expect(read(["--pause", text]).pause).toBe(seconds);
    }
    for (const [text, ms] of [
      ...[["7", 7] as const, ["30s", 30_000] as const, ["1h", 3_600_000] as const],
      ...[["1.25ms", 1.25] as const, [".5s", 500] as const],
    ]) {
      expect(read(["--slow", text]).slow).toBe(ms);
    }
  });

  test("the last of several flags counts", () => {
    expect(read(["--port=1", "--port=2"]).port).toBe(2);
  });

  test("the order is flag, own variable, second variable, default", () => {
    expect(read([], { PORT: "4" }).port).toBe(4);
    expect(read([], { PORT: "4", APP_PORT: "5" }).port).toBe(5);
    expect(read(["--port=6"], { PORT: "4", APP_PORT: "5" }).port).toBe(6);
    expect(read([], { APP_MAX_RATE: "1" }).maxRate).toBe(1);
  });

  test("the variable of an option with a flag is not read", () => {
    expect(read(["--port=6"], { APP_PORT: "x" }).port).toBe(6);
  });

  test("an empty variable of a number or a switch is ignored", () => {
    expect(read([], { APP_PORT: "", PORT: "4" }).port).toBe(4);
    expect(read([], { APP_PORT: " ", APP_VERBOSE: "" })).toMatchObject({ port: 1, verbose: false });
  });

  test("the address of a Kubernetes service is not read as a port", () => {
    const link = "tcp://10.0.0.1:7171";
    expect(read([], { APP_PORT: link }).port).toBe(1);
    expect(read([], { APP_PORT: link, PORT: "4" }).port).toBe(4);
    expect(serviceLinks(TABLE, { APP_PORT: link, PORT: "4", APP_COUNT: "1" }, "APP_")).toEqual([
      "APP_PORT",
    ]);
  });
});

describe("an error has the option, the value and the allowed values", () => {
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
    [["--room", "1tb"], {}, `--room: "1tb" is not bytes, kb, mb, gb or tb, from 1kb to 1gb`],
    [["--room", "2gb"], {}, `--room: "2gb" is not bytes, kb, mb, gb or tb, from 1kb to 1gb`],
    [["--room", "auto"], {}, `--room: "auto" is not bytes, kb, mb, gb or tb, from 1kb to 1gb`],
    [["--limit", "mb"], {}, `--limit: "mb" is not auto or bytes, kb, mb, gb or tb, from 1 to 1mb`],
    [["--host"], {}, "--host needs a value: a name"],
    [["--host", " "], {}, `--host: " " is not a name`],
    [[], { APP_HOST: "" }, "APP_HOST is set and empty; give it a value, or unset it"],
    [[], { APP_TOKEN: "" }, "APP_TOKEN is set and empty; give it a value, or unset it"],
    [
      [],
      { APP_TOKEN: " \n" },
      "APP_TOKEN is set and has only white space; give it a value, or unset it",
    ],
    ...["6m", "1.5s", "-1s", "3 s", "1w", "s"].map(
      (text) =>
        [
          ["--pause", text],
          {},
          `--pause: "${text}" is not a whole number of seconds from 0 to 300, or with ms, s, m, h or d`,
        ] as const,
    ),
    [["stray"], {}, `unexpected argument "stray"; options start with --`],
    [[], { APP_COUNT: "0" }, `APP_COUNT: "0" is not a whole number from 1 to 9`],
    [[], { PORT: "http" }, `PORT: "http" is not a whole number from 0 to 99`],
    [["-p=1"], {}, `unknown option "-p"; --help lists the options`],
    [
      ["--colour", "red"],
      {},
      `unknown option "--colour"; did you mean "--color"? --help lists the options`,
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

test("unknown variables with the prefix are listed, except those of Kubernetes", () => {
  const env = {
    ...{ APP_PORT: "1", PORT: "2", APP_MAX_RATE: "1", HOME: "/", APPLE: "1" },
    ...{ APP_MAXRATE: "1", APP_V: "true" },
    ...{ APP_SERVICE_HOST: "10.0.0.1", APP_SERVICE_PORT_HTTP: "80", APP_PORT_80_TCP: "tcp://…" },
    // Another service, whose name begins with that of this one.
    ...{ APP_WEB_SERVICE_HOST: "10.0.0.2", APP_WEB_PORT: "tcp://…", APP_WEB_PORT_80_UDP_ADDR: "…" },
  };
  expect(unknownVariables(TABLE, env, "APP_")).toEqual(["APP_MAXRATE", "APP_V"]);
});
