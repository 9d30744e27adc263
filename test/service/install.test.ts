// The install step before each script: a wrong Bun or a failed install prints one clear line.

import { expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { packageManager, scripts } from "../../package.json";

const ROOT = join(import.meta.dir, "../..");

interface Checkout extends AsyncDisposable {
  readonly path: string;
  /** Runs the step to its end; the registry cannot be reached. */
  install(...options: string[]): Promise<readonly [code: number, printed: string]>;
}

/** The files that the step needs, without node_modules. */
async function createCheckout(): Promise<Checkout> {
  const path = await mkdtemp(join(tmpdir(), "ringcache-install-"));
  for (const name of ["package.json", "bun.lock", "scripts", "src/config/runtime-version.ts"]) {
    await cp(join(ROOT, name), join(path, name), { recursive: true });
  }
  return {
    path,
    install: (...options) =>
      run([join(path, "scripts/install.ts"), ...options], {
        BUN_CONFIG_REGISTRY: "http://127.0.0.1:1",
        BUN_INSTALL_CACHE_DIR: join(path, "cache"),
        BUN_CONFIG_HTTP_RETRY_COUNT: "0",
      }),
    async [Symbol.asyncDispose]() {
      await chmod(path, 0o700);
      await rm(path, { recursive: true });
    },
  };
}

async function run(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<readonly [code: number, printed: string]> {
  const child = Bun.spawn([process.execPath, ...command], {
    env: { ...process.env, npm_lifecycle_event: "", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  const printed = (await Promise.all(texts)).join("");
  return [await child.exited, printed];
}

test("a complete node_modules needs neither network nor a write", async () => {
  await using checkout = await createCheckout();
  await symlink(join(ROOT, "node_modules"), join(checkout.path, "node_modules"));
  await chmod(checkout.path, 0o500);
  expect(await checkout.install()).toEqual([0, ""]);
  expect(await checkout.install("--production")).toEqual([0, ""]);
});

const failed = (reason: string) =>
  expect.stringMatching(
    new RegExp(`^ringcache: installing packages\nringcache: bun install failed: ${reason}\n$`),
  );

test("an install without a registry fails with one line", async () => {
  await using checkout = await createCheckout();
  const [code, printed] = await checkout.install("--production");
  expect([code, printed]).toEqual([74, failed("ConnectionRefused .*")]);
});

test("the step installs the right version of a package", async () => {
  await using checkout = await createCheckout();
  const folder = join(checkout.path, "node_modules");
  await mkdir(folder);
  for (const name of await readdir(join(ROOT, "node_modules"))) {
    if (name !== "uplot") await symlink(join(ROOT, "node_modules", name), join(folder, name));
  }
  await Bun.write(join(folder, "uplot/package.json"), '{"name":"uplot","version":"1.0.0"}');
  const [code, printed] = await checkout.install("--production");
  expect([code, printed]).toEqual([74, expect.stringContaining("tarball uplot@")]);
});

test("the line names a bun.lock that does not match package.json", async () => {
  await using checkout = await createCheckout();
  const file = Bun.file(join(checkout.path, "package.json"));
  await file.write((await file.text()).replace(/"uplot": ".*"/, '"uplot": "1.6.31"'));
  expect(await checkout.install("--production")).toEqual([
    74,
    "ringcache: bun.lock and package.json name different packages; take both from one commit\n",
  ]);
});

test("an install that cannot write node_modules fails with one line", async () => {
  await using checkout = await createCheckout();
  // Root cannot write there either.
  await Bun.write(join(checkout.path, "node_modules"), "a file");
  const [code, printed] = await checkout.install("--production");
  expect([code, printed]).toEqual([74, failed(".*")]);
});

test("with a wrong Bun each program prints one line and exits with 64, before anything else", async () => {
  await using checkout = await createCheckout();
  await cp(join(ROOT, "src"), join(checkout.path, "src"), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(checkout.path, "node_modules"));
  const file = Bun.file(join(checkout.path, "package.json"));
  const text = await file.text();
  const engines = /"bun": ">=1\.4\.5 <2"/;
  expect(text).toMatch(engines);
  const programs = ["scripts/install.ts", "src/main.ts"];
  const runWith = async (range: string, program: string) => {
    await file.write(text.replace(engines, `"bun": "${range}"`));
    return await run([join(checkout.path, program), "--help"]);
  };
  const end = `this is ${Bun.version}; run: npx ${packageManager} run start\n`;
  for (const program of programs) {
    const outcomes = [
      await runWith(">=9.8.7 <10", program),
      await runWith(">=0.5.0 <1", program),
      await runWith(">=0.5.0 <10", program),
    ];
    expect([program, ...outcomes]).toEqual([
      program,
      [64, `ringcache: needs Bun 9.8.7 or newer, ${end}`],
      [64, `ringcache: needs Bun 0.5.0 or newer, below 1, ${end}`],
      [expect.any(Number), expect.not.stringContaining("needs Bun")],
    ]);
  }
});

test("each script that runs TypeScript installs first, and leaves the process to its program", () => {
  for (const [name, command] of Object.entries(scripts)) {
    if (/^bash test\/stress\//.test(command)) continue;
    expect([name, command]).toEqual([
      name,
      expect.stringMatching(/^bun scripts\/install\.ts( --production)? && (.* && )?exec /),
    ]);
  }
});
