// The package of `npm pack`, installed in an empty project.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import packageJson from "../../package.json";
import { endOf, type ServiceProcess, startProgram } from "../lib/service.ts";

const ROOT = join(import.meta.dir, "../..");
const VERSION = { code: 0, stdout: `${packageJson.version}\n`, stderr: "" };
/** Programs of any system that the command needs. */
const TOOLS = ["dirname", "readlink"];

const folder = await mkdtemp(join(tmpdir(), "ringcache-package-"));
const project = join(folder, "project");
const command = join(project, "node_modules/.bin/ringcache");
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };

const files = await pack();
const isInstalled = await install();

afterAll(() => rm(folder, { recursive: true }));

/** Packs the package; returns the names of its files. */
async function pack(): Promise<string[]> {
  const packed = await bun(ROOT, "pm", "pack", "--destination", folder);
  expect(packed.code).toBe(0);
  return [...packed.stdout.matchAll(/^packed +\S+ (\S+)$/gm)].map(([, name = ""]) => name);
}

/** Installs the package; returns false if the registry cannot be reached for its dependencies. */
async function install(): Promise<boolean> {
  await mkdir(project);
  await Bun.write(join(project, "package.json"), '{"name":"project","private":true}');
  const tarball = join(folder, `ringcache-${packageJson.version}.tgz`);
  const { code, stderr } = await bun(project, "add", tarball);
  if (code !== 0 && !/ConnectionRefused|Timeout|DNS|Unreachable|ECONN|ENOTFOUND/i.test(stderr)) {
    throw new Error(`bun add failed: ${stderr}`);
  }
  return code === 0;
}

function bun(cwd: string, ...args: string[]) {
  return endOf([process.execPath, ...args], { ...env, BUN_CONFIG_HTTP_RETRY_COUNT: "0" }, cwd);
}

test("it contains the program, the client and the documents, and nothing else", () => {
  const rest = files.filter((name) => !/^(src|docs)\//.test(name));
  expect(rest.toSorted()).toEqual([
    ...["CHANGELOG.md", "LICENSE", "README.md", "bin/ringcache", "dist/client.d.ts"],
    ...["dist/client.js", "package.json"],
  ]);
  expect(files).toContain("src/main.ts");
  expect(files.filter((name) => /^docs\/(?!.*\.md$)/.test(name))).toEqual([]);
});

test("its command names the Bun of package.json", async () => {
  const text = await Bun.file(join(ROOT, "bin/ringcache")).text();
  expect(packageJson.packageManager).toBe(`bun@${/^version=(.*)$/m.exec(text)?.[1]}`);
});

describe.skipIf(!isInstalled)("installed (the npm registry)", () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    service = await startProgram(command, ["--resp-port", "0"], env, project);
  });

  afterAll(() => service[Symbol.asyncDispose]());

  test("bunx runs its command", async () => {
    expect(await bun(project, "x", "ringcache", "--version")).toEqual(VERSION);
  });

  test("its service serves the dashboard", async () => {
    const html = await (await fetch(service.url)).text();
    const script = /src="\.?\/?(dashboard\/[^"]+)"/.exec(html)?.[1] ?? "no script";
    expect((await fetch(`${service.url}/${script}`)).status).toBe(200);
  });

  const program = `import { connect } from "ringcache/client";
    const cache = connect(process.env.URL);
    console.log(JSON.stringify(await cache.wrap("key", async () => ({ n: 1 }), { ttl: 60 })));`;
  for (const [runtime, path] of [
    ["bun", process.execPath],
    ["node", Bun.which("node")],
  ] as const) {
    test.skipIf(path === null)(`its client runs in ${runtime}`, async () => {
      const file = join(project, "program.mjs");
      await Bun.write(file, program);
      const outcome = await endOf([path ?? "", file], { ...env, URL: service.url }, project);
      expect(outcome).toEqual({ code: 0, stdout: '{"n":1}\n', stderr: "" });
    });
  }

  describe("without Bun on PATH", () => {
    const tools = join(folder, "tools");
    const besideIt = join(project, "node_modules/bun");
    const run = () => endOf(["/bin/sh", command, "--version"], { PATH: tools }, project);

    beforeAll(async () => {
      await mkdir(tools);
      for (const tool of TOOLS) await symlink(Bun.which(tool) ?? "", join(tools, tool));
    });

    test("its command names the Bun that it needs, and how to get it", async () => {
      expect(await run()).toEqual({
        code: 69,
        stdout: "",
        stderr:
          "ringcache: no Bun on PATH; getting Bun 1.4.5 through npm (40 MB at the first start)\n" +
          "ringcache: npm cannot get Bun; install Bun 1.4.5 or a newer 1.x: npm install -g bun@1.4.5\n",
      });
    });

    test("its command takes the Bun of npm", async () => {
      // Instead of npm: prints the path of a Bun, as `npm exec … bun --print process.execPath` does.
      const npm = join(tools, "npm");
      await writeFile(npm, `#!/bin/sh\necho "${process.execPath}"\n`, { mode: 0o755 });
      expect(await run()).toMatchObject({ code: 0, stdout: VERSION.stdout });
    });

    test("its command takes the package bun beside it", async () => {
      await mkdir(join(besideIt, "bin"), { recursive: true });
      await symlink(process.execPath, join(besideIt, "bin/bun.exe"));
      expect(await run()).toEqual(VERSION);
    });
  });
});
