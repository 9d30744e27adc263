// MONITOR: the commands of all workers, without secrets.

import { describe, expect, test } from "bun:test";

import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { bulk, PushClient, pushClients } from "./push-client.ts";

const OK = "+OK\r\n";
/** A line, without its time and address. */
const LINE = /^\+\d+\.\d{6} \[(\d+) (lua|[\d.]+:\d+)\] (.*)$/;

/** The commands that a monitor has seen, each with its database. */
function seenBy(monitor: PushClient): string[] {
  const lines = monitor.text.slice(OK.length).split("\r\n").slice(0, -1);
  return lines.map((line) => {
    const [, database, from, words] = LINE.exec(line) ?? [];
    return `${database}${from === "lua" ? " lua" : ""} ${words}`;
  });
}

describe.each([1, 2])("with %d workers", (workers) => {
  test("a monitor sees the commands of all clients", async () => {
    const port = freePort();
    const own = ["--workers", `${workers}`, "--resp-port", `${port}`];
    await using _ = await startService(own);
    const [monitor, ...others] = (await pushClients(port, 8)) as [PushClient, ...PushClient[]];
    await monitor.ask(["monitor"], OK);
    for (const [n, other] of others.entries()) await other.ask(["set", `key${n}`, "v"], OK);
    await until("all are seen", () => seenBy(monitor).length === others.length);
    const wanted = others.map((_other, n) => `0 "set" "key${n}" "v"`);
    expect(seenBy(monitor).toSorted()).toEqual(wanted.toSorted());
    for (const one of [monitor, ...others]) one[Symbol.dispose]();
  });
});

test("a line has the database, escapes bytes, and hides secrets and the commands of operators", async () => {
  await using service = serveRedis();
  using monitor = await PushClient.connect(service.port);
  using other = await PushClient.connect(service.port);
  await monitor.ask(["monitor"], OK);
  other.send("auth", "default", "secret");
  other.send("hello", "2", "auth", "default", "secret", "setname", "n");
  other.send("config", "get", "port");
  other.send("select", "2");
  other.send("set", 'a"\\\n\u0001', "v");
  other.send("multi");
  other.send("get", "k");
  other.send("exec");
  await until(
    "the last command is seen",
    () => seenBy(monitor).at(-1)?.endsWith('"exec"') === true,
  );
  expect(seenBy(monitor)).toEqual([
    '0 "auth" "(redacted)" "(redacted)"',
    '0 "hello" "2" "auth" "(redacted)" "(redacted)" "setname" "n"',
    '0 "select" "2"',
    '2 "set" "a\\"\\\\\\n\\x01" "v"',
    '2 "multi"',
    '2 "get" "k"',
    '2 "exec"',
  ]);
  expect(monitor.text).not.toContain("secret");
});

test("RESET ends monitoring; a monitor that does not read is closed, and the service goes on", async () => {
  await using service = serveRedis(["--resp-output-limit", "1mb"]);
  using monitor = await PushClient.connect(service.port);
  using other = await PushClient.connect(service.port);
  await monitor.ask(["monitor"], OK);
  monitor.raw.pause();
  const value = "x".repeat(50_000);
  let n = 0;
  await until("the monitor is closed", async () => {
    for (let more = 10; more > 0; more--) await other.ask(["set", `key${n++}`, value], OK);
    return service.events.length > 0;
  });
  expect(service.events).toEqual(["over --resp-output-limit"]);
  await other.ask(["monitor"], OK);
  other.send("reset");
  await until("the reply has arrived", () => other.text.endsWith("+RESET\r\n"));
  await other.gets(other.text.slice(other.text.lastIndexOf(OK) + OK.length));
  await other.ask(["get", "key0"], bulk(value));
});
