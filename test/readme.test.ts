// The programs of the README run as it shows them: snippets of each language, and the start with a token.

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, startService } from "./lib/service.ts";
import { PYTHON } from "./service/resp/redis-py.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const README = await Bun.file(join(ROOT, "README.md")).text();
const NODE = Bun.which("node");
const GO = Bun.which("go");
const OPENSSL = Bun.which("openssl");

/** Returns the first code block of a language after a heading. */
function blockOf(language: string, heading = "Use it"): string {
  const section = README.slice(README.indexOf(`\n## ${heading}\n`));
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(section) ?? [];
  if (code === undefined) throw new Error(`README.md has no ${language} under "${heading}"`);
  return code;
}

/** Runs a program against a service of its own; resolves with what it prints. */
async function printedBy(
  code: string,
  commandOf: (code: string) => readonly string[],
): Promise<string> {
  const redisPort = freePort();
  await using service = await startService(["--resp-port", `${redisPort}`]);
  const here = code
    .replaceAll("http://localhost:7171", service.url)
    .replaceAll("port=7172", `port=${redisPort}`);
  const child = Bun.spawn([...commandOf(here)], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [printed, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect([await child.exited, errors]).toEqual([0, ""]);
  return printed.trim();
}

test("the snippet of JavaScript prints the name with Bun", async () => {
  const command = (code: string) => [process.execPath, "-e", code];
  expect(await printedBy(blockOf("js"), command)).toBe("Ada");
});

test.skipIf(NODE === null)("the snippet of JavaScript prints the name with Node", async () => {
  const command = (code: string) => ["node", "--input-type=module", "--eval", code];
  expect(await printedBy(blockOf("js"), command)).toBe("Ada");
});

test.skipIf(PYTHON === undefined)(
  "the snippet of Python prints the name with redis-py",
  async () => {
    const command = (code: string) => [PYTHON ?? "", "-c", code];
    expect(await printedBy(blockOf("python"), command)).toBe("Ada");
  },
);

test.skipIf(GO === null)("the snippet of Go prints the name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-go-"));
  const packages = ["io", "net/http", "os", "strings"].map((name) => `import "${name}"\n`);
  const program = `package main\n${packages.join("")}func main() {\n${blockOf("go")}}\n`;
  const command = (code: string) => {
    const file = join(folder, "main.go");
    writeFileSync(file, code);
    return ["go", "run", file];
  };
  try {
    expect(await printedBy(program, command)).toBe("Ada");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.skipIf(OPENSSL === null)(
  'the commands under "Secure it" start a service that wants the token',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringcache-secure-"));
    const commands = blockOf("sh", "Secure it").trim().split("\n");
    const start = commands.pop()?.split(" ") ?? [];
    expect(start.slice(0, 3)).toEqual(["bun", "run", "start"]);
    const options = start
      .slice(3)
      .map((word) => (word.startsWith("--") ? word : join(folder, word)));
    try {
      await Bun.$`sh -e -c ${commands.join("\n")}`.cwd(folder).quiet();
      await using service = await startService(options);
      const statusOf = async (headers: Record<string, string>) => {
        const tls = { rejectUnauthorized: false };
        return (await fetch(`${service.url}/get?key=k`, { headers, tls })).status;
      };
      const token = (await Bun.file(join(folder, "token")).text()).trim();
      expect(await statusOf({})).toBe(401);
      expect(await statusOf({ authorization: `Bearer ${token}` })).toBe(404);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
