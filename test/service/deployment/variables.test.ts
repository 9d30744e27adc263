// Environment variables, as compose and Kubernetes set them.

import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runToEnd, startService } from "../../lib/service.ts";

const TEXTS = [
  ...["RINGCACHE_AUTH_TOKEN", "RINGCACHE_AUTH_TOKEN_FILE", "RINGCACHE_READ_TOKEN"],
  ...["RINGCACHE_READ_TOKEN_FILE", "RINGCACHE_TLS_CERT", "RINGCACHE_TLS_KEY", "RINGCACHE_TLS_CA"],
  ...["RINGCACHE_ALLOWED_HOSTS", "RINGCACHE_HOST", "RINGCACHE_DATA_DIR"],
];
for (const name of TEXTS) {
  test(`${name} that is set and empty does not start a service`, async () => {
    expect(await runToEnd(["--port", "0", "--resp-port", "0"], { [name]: "" })).toEqual({
      code: 64,
      stdout: "",
      stderr: `ringcache: ${name} is set and empty; give it a value, or unset it\n`,
    });
  });
}

test("a token of white space is rejected", async () => {
  const { code, stderr } = await runToEnd([], { RINGCACHE_AUTH_TOKEN: " \t" });
  expect(code).toBe(64);
  expect(stderr).toContain("RINGCACHE_AUTH_TOKEN is set and has only white space");
});

test("the error of a folder in place of the token's file names Docker as the cause", async () => {
  const { code, stderr } = await runToEnd([], { RINGCACHE_AUTH_TOKEN_FILE: tmpdir() });
  expect(code).toBe(64);
  expect(stderr).toContain("cannot be read: it is a folder (EISDIR), which Docker makes");
});

test.skipIf(process.getuid?.() === 0)(
  "the error of another user's token file says what to do (root may read any file)",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringcache-"));
    const file = join(folder, "token");
    await writeFile(file, "t", { mode: 0 });
    const { code, stderr } = await runToEnd([], { RINGCACHE_AUTH_TOKEN_FILE: file });
    expect(code).toBe(64);
    expect(stderr).toContain(`user ${process.getuid?.()} may not read it (EACCES); run: chown`);
    await rm(folder, { recursive: true });
  },
);

test("beside a Kubernetes service called ringcache the service starts, with one warning", async () => {
  const address = "tcp://10.0.0.1:7171";
  await using service = await startService([], {
    ...{ RINGCACHE_PORT: address, RINGCACHE_RESP_PORT: "tcp://10.0.0.2:7172" },
    ...{ RINGCACHE_SERVICE_HOST: "10.0.0.1", RINGCACHE_SERVICE_PORT: "7171" },
    ...{ RINGCACHE_PORT_7171_TCP: address, RINGCACHE_PORT_7171_TCP_PROTO: "tcp" },
    ...{ RINGCACHE_RESP_SERVICE_HOST: "10.0.0.2", RINGCACHE_RESP_PORT_7172_TCP_PORT: "7172" },
  });
  service.kill("SIGTERM");
  const { code, stdout } = await service.exit;
  expect(code).toBe(0);
  const warnings = stdout.split("\n").filter((line) => line.includes(" warn "));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("variable ignored variable=RINGCACHE_PORT,RINGCACHE_RESP_PORT");
});
