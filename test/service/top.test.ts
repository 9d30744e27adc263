// The process of `ringcache top`, in a pipe and in a terminal.

import { describe, expect, test } from "bun:test";

import { eventOf, serveStats, sampleStats } from "../lib/live-stats.ts";
import { freePort, startService } from "../lib/service.ts";
import { temporaryFolder } from "../unit/snapshot/saved.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

describe("in a pipe", () => {
  test("--once prints one line and ends", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    const { code, stdout, stderr } = await run("--url", server.url, "--once");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^time_ms=\d+ state=serving [ -~]+ hot_key="user:1001"\n$/);
  });

  test("--url accepts host:port", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    const { code, stdout } = await run("--url", new URL(server.url).host, "--once");
    expect([code, stdout.split("\n").length]).toEqual([0, 2]);
  });

  test("each reading is one line; when the service closes the stream, the exit code is 69", async () => {
    await using server = serveStats(eventOf(sampleStats({ entries: 1 })));
    const child = spawn("--url", server.url, "--plain");
    const lines = linesOf(child.stdout);
    expect(await lines.next()).toContain(" entries=1 ");
    server.send(eventOf(sampleStats({ entries: 2 })));
    expect(await lines.next()).toContain(" entries=2 ");
    server.hangUp();
    expect(await lines.next()).toBeUndefined();
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([
      69,
      `top: no response from ${server.url}: connection closed; start the service, or name its address with --url\n`,
    ]);
  });

  test("it ends without an error when the reader closes the pipe", async () => {
    await using server = serveStats(eventOf(sampleStats({ entries: 1 })));
    const child = spawn("--url", server.url);
    const lines = linesOf(child.stdout);
    await lines.next();
    await lines.close();
    // More than the pipe can buffer.
    server.send(eventOf(sampleStats()).repeat(300));
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  });

  const hasBash = ["bash", "head"].every((program) => Bun.which(program) !== null);
  test.skipIf(!hasBash)("head gets its lines, and no error is printed (bash, head)", async () => {
    // More than the pipe can buffer, so that the writer gets EPIPE.
    await using server = serveStats(eventOf(sampleStats()).repeat(300));
    const command = `"$0" "$1" top --url "$2" --plain | head -n 3; echo "\${PIPESTATUS[*]}"`;
    const child = Bun.spawn(["bash", "-c", command, process.execPath, MAIN, server.url], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
    expect([lines.length, lines.at(-1)]).toEqual([4, "0 0"]);
    expect(await new Response(child.stderr).text()).toBe("");
  });

  test("a missing service is one line on stderr and exit code 69", async () => {
    const url = `http://127.0.0.1:${freePort()}`;
    for (const option of ["--once", "--plain"]) {
      expect(await run("--url", url, option)).toEqual({
        code: 69,
        stdout: "",
        stderr: `top: no response from ${url}: connection refused; start the service, or name its address with --url\n`,
      });
    }
  });
});

describe("a service that requires a token", () => {
  const token = "the-token";
  const once = async (url: string, args: readonly string[], env: Record<string, string> = {}) => {
    const child = Bun.spawn([process.execPath, MAIN, "top", "--url", url, "--once", ...args], {
      env: { PATH: process.env["PATH"], ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(stdout + stderr).not.toContain(token);
    return { code: await child.exited, stdout, stderr };
  };

  test("gets it from a flag, a file or the environment", async () => {
    await using service = await startService(["--auth-token", token]);
    await using folder = await temporaryFolder();
    await Bun.write(folder.file, `${token}\n`);
    const ways: readonly (readonly [string[], Record<string, string>])[] = [
      [["--auth-token", token], {}],
      [["--auth-token-file", folder.file], {}],
      [[], { RINGCACHE_AUTH_TOKEN: token }],
      [[], { RINGCACHE_AUTH_TOKEN_FILE: folder.file }],
    ];
    for (const [args, env] of ways) {
      const { code, stdout, stderr } = await once(service.url, args, env);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("state=serving");
    }
  });

  test("is reported when the token is missing or wrong", async () => {
    await using service = await startService(["--auth-token", token]);
    const trouble = `top: no stats from ${service.url}:`;
    expect(await once(service.url, [])).toEqual({
      code: 69,
      stdout: "",
      stderr: `${trouble} it requires a token: use --auth-token-file FILE or RINGCACHE_AUTH_TOKEN\n`,
    });
    const wrong = await once(service.url, ["--auth-token", "another"]);
    expect(wrong.stderr).toBe(`${trouble} the token is wrong\n`);
    const unreadable = await once(service.url, ["--auth-token-file", "/nowhere"]);
    expect(unreadable).toMatchObject({
      code: 64,
      stderr: "top: --auth-token-file /nowhere cannot be read: there is no such file (ENOENT)\n",
    });
  });
});

describe("wrong use", () => {
  test("an invalid option is one line on stderr and exit code 64", async () => {
    const bad: readonly (readonly [readonly string[], string])[] = [
      [["--nope"], `unknown option "--nope"; --help lists the options`],
      [["--url"], "--url needs a value: a URL or host:port"],
      [["--url", "ftp://x"], '--url: "ftp://x" is neither an http or https URL nor host:port'],
      [["--url", "a b"], '--url: "a b" is neither an http or https URL nor host:port'],
      [["--url", "http://u:p@x"], "--url: a URL with a user or a password is not allowed"],
      [["--url", "http://x/?y"], '--url: "http://x/?y" must end with its path'],
      [["x"], 'unexpected argument "x"; options start with --'],
    ];
    for (const [args, message] of bad) {
      expect(await run(...args)).toEqual({ code: 64, stdout: "", stderr: `top: ${message}\n` });
    }
  });

  test("--help prints the options", async () => {
    for (const option of ["--help", "-h"]) {
      const { code, stdout, stderr } = await run(option);
      expect([code, stderr]).toEqual([0, ""]);
      for (const name of ["ringcache top", "--url", "--once", "--plain"]) {
        expect(stdout).toContain(name);
      }
    }
  });
});

describe("in a terminal", () => {
  test("it redraws in place for each reading, and q restores the terminal", async () => {
    await using server = serveStats(eventOf(sampleStats({ entries: 111_111 })));
    await using top = inTerminal("--url", server.url);
    await top.shows("111,111");
    server.send(eventOf(sampleStats({ entries: 222_222 })));
    await top.shows("222,222");
    top.press("q");
    expect(await top.exited).toBe(0);
    expect(top.written()).toStartWith(ENTER);
    expect(top.written()).toEndWith(LEAVE);
    // The keys contain a clear code, a title code and raw newlines; the frames must not.
    const frames = top.written().slice(ENTER.length).replace("\x1b[2J", "");
    expect(frames).not.toMatch(/\x1b\[2J|\x1b\]|\x9b|[^\r]\n/);
  });

  const endings: readonly (readonly [string, (top: InTerminal) => void, number])[] = [
    ["Ctrl-C", (top) => top.press("\x03"), 0],
    ["SIGINT", (top) => top.kill("SIGINT"), 0],
    ["SIGTERM", (top) => top.kill("SIGTERM"), 143],
    ["SIGHUP", (top) => top.kill("SIGHUP"), 129],
  ];
  for (const [cause, end, code] of endings) {
    test(`${cause} ends it with exit code ${code} and restores the terminal`, async () => {
      await using server = serveStats(eventOf(sampleStats()));
      await using top = inTerminal("--url", server.url);
      await top.shows("user:1001");
      end(top);
      expect(await top.exited).toBe(code);
      expect(top.written()).toEndWith(LEAVE);
    });
  }

  test("it shows that the service does not respond, retries, and shows the stats when they come", async () => {
    const port = freePort();
    await using top = inTerminal("--url", `127.0.0.1:${port}`);
    await top.shows(`no stats from http://127.0.0.1:${port}: retrying`);
    await using server = serveStats(eventOf(sampleStats()), port);
    await top.shows("user:1001");
    server.hangUp();
    await top.shows("stats are ");
  });

  test("it is redrawn for another size", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    await using top = inTerminal("--url", server.url);
    await top.shows("reads sampled");
    top.resize(50, 12);
    // The title takes two lines now.
    await top.shows("\r\n4\x1b[2m workers");
  });

  test("? shows help, and another key the stats again", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    await using top = inTerminal("--url", server.url);
    await top.shows("user:1001");
    top.press("?");
    await top.shows("show or hide this help");
    top.press(" ");
    await top.shows("user:1001");
  });

  test("NO_COLOR removes colours, and --once does not enter the full screen", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    await using plain = inTerminal("--url", server.url, "--once", "NO_COLOR=1");
    expect(await plain.exited).toBe(0);
    expect(plain.written()).toContain("user:1001");
    expect(plain.written()).not.toContain("\x1b");
    await using coloured = inTerminal("--url", server.url, "--once");
    expect(await coloured.exited).toBe(0);
    expect(coloured.written()).toContain("\x1b[1mringcache\x1b[0m");
    expect(coloured.written()).not.toContain("\x1b[?");
  });

  test("--plain prints lines in a terminal too", async () => {
    await using server = serveStats(eventOf(sampleStats()));
    await using top = inTerminal("--url", server.url, "--plain", "--once");
    expect(await top.exited).toBe(0);
    expect(top.written()).toMatch(/^time_ms=[ -~]+\r\n$/);
  });
});

type InTerminal = ReturnType<typeof inTerminal>;

/**
 * Runs top in a pseudo-terminal of 80 columns and 24 rows; `NAME=value` sets an environment
 * variable.
 */
function inTerminal(...words: string[]) {
  const variables = words.filter((text) => /^[A-Z_]+=/.test(text));
  const args = words.filter((text) => !variables.includes(text));
  const { NO_COLOR: _unset, ...environment } = process.env;
  const decoder = new TextDecoder();
  let written = "";
  const waiting = new Set<() => void>();
  const closed = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, MAIN, "top", ...args], {
    env: {
      ...environment,
      TERM: "xterm-256color",
      ...Object.fromEntries(variables.map((text) => text.split("=", 2))),
    },
    terminal: {
      cols: 80,
      rows: 24,
      data(_terminal, chunk) {
        written += decoder.decode(chunk, { stream: true });
        for (const look of waiting) look();
      },
      exit: () => closed.resolve(),
    },
  });
  /** Resolves when the process has ended and all output has arrived. */
  const exited = (async () => {
    const code = await child.exited;
    await closed.promise;
    return code;
  })();
  /** Offset in `written` at which the next `shows` starts. */
  let searched = 0;
  return {
    exited,
    written: () => written,
    press: (keys: string) => void child.terminal?.write(keys),
    resize: (columns: number, rows: number) => child.terminal?.resize(columns, rows),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Resolves when a text is written, after the text of the previous call. */
    async shows(text: string): Promise<void> {
      const found = Promise.withResolvers<void>();
      const look = () => {
        const index = written.indexOf(text, searched);
        if (index < 0) return;
        searched = index + text.length;
        found.resolve();
      };
      waiting.add(look);
      look();
      await found.promise;
      waiting.delete(look);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
      child.terminal?.close();
    },
  };
}

function spawn(...args: string[]) {
  return Bun.spawn([process.execPath, MAIN, "top", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    // `bun test` sets FORCE_COLOR in a terminal; top must write no colours into a pipe even then.
    env: { ...process.env, FORCE_COLOR: "1" },
  });
}

/** Runs top until it ends. */
async function run(...args: string[]) {
  const child = spawn(...args);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

/** Reads a stream by lines; `next` returns undefined at the end. */
function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    async next(): Promise<string | undefined> {
      while (!rest.includes("\n")) {
        const { value, done } = await reader.read();
        if (done) return undefined;
        rest += value;
      }
      const [line = ""] = rest.split("\n", 1);
      rest = rest.slice(line.length + 1);
      return line;
    },
    close: () => reader.cancel(),
  };
}
