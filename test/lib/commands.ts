// Runs the commands of the documents without a shell, curl or redis-cli.

import { expect } from "bun:test";

/** Takes the arguments of a command; resolves with the output of the program. */
type Program = (args: readonly string[]) => Promise<string>;

/** Has the output of `curl -s`, for the flags that the documents use. */
const curl: Program = async (args) => {
  const flags = new Map<string, string>();
  const fields: string[] = [];
  let url = "";
  for (let n = 0; n < args.length; n++) {
    const arg = args[n] ?? "";
    if (arg === "-s" || arg === "-G") flags.set(arg, "");
    else if (arg === "-H") fields.push(args[++n] ?? "");
    else if (["-X", "-d", "-o", "-w", "--data-urlencode"].includes(arg))
      flags.set(arg, args[++n] ?? "");
    else if (arg.startsWith("-")) throw new Error(`test/lib/commands.ts lacks curl ${arg}`);
    else url = arg.includes("://") ? arg : `http://${arg}`;
  }
  const [parameter = "", value = ""] = (flags.get("--data-urlencode") ?? "").split(/=(.*)/s);
  if (flags.has("-G")) url += `?${parameter}=${encodeURIComponent(value)}`;
  const body = flags.get("-d");
  const method = flags.get("-X") ?? (body === undefined ? "GET" : "POST");
  const headers: Record<string, string> =
    body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  for (const field of fields) {
    const [name = "", text = ""] = field.split(/: (.*)/s);
    headers[name.toLowerCase()] = text;
  }
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const isDropped = flags.get("-o") === "/dev/null";
  return (
    (isDropped ? "" : text) +
    (flags.get("-w") ?? "").replace("%{http_code}\\n", `${response.status}`)
  );
};

/** Has the output of `redis-cli -p PORT` without a terminal. */
const redisCli: Program = async ([flag, port, command = "", ...args]) => {
  expect(flag).toBe("-p");
  const client = new Bun.RedisClient(`redis://127.0.0.1:${port}`);
  const printed = (value: unknown): string =>
    Array.isArray(value) ? value.map(printed).join("\n") : String(value ?? "");
  try {
    return printed(await client.send(command, args));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    client.close();
  }
};

const bun: Program = async (args) => {
  const child = Bun.spawn([process.execPath, ...args], { stdout: "pipe", stderr: "pipe" });
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  return (await Promise.all(texts)).join("");
};

const PROGRAMS: Readonly<Record<string, Program>> = { curl, bun, "redis-cli": redisCli };

/** Splits a command line into words like a shell; only quotes are special. */
function splitWords(line: string): string[] {
  const words = line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g);
  return [...words].map(([word]) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

/** Runs a command with a program of this file; resolves with its output. */
export async function runCommand(line: string): Promise<string> {
  const [name = "", ...args] = splitWords(line);
  const program = PROGRAMS[name];
  if (program === undefined) throw new Error(`test/lib/commands.ts lacks ${name}`);
  return (await program(args)).trimEnd();
}
