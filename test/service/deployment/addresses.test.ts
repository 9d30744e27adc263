// The addresses on which a service listens, and the text forms of IPv4 and IPv6 addresses.

import { describe, expect, test } from "bun:test";

import { anyAddress, endpointText, withoutBrackets } from "../../../src/linux/addresses.ts";
import { readConfig } from "../../../src/config/config.ts";
import { PortClaim } from "../../../src/process/port-claim.ts";
import { freePort, runToEnd, startService } from "../../lib/service.ts";
import { connectRaw } from "../resp/raw-client.ts";

const hasIPv6 = anyAddress() === "::";

test("a machine without IPv6 listens on all addresses of IPv4", () => {
  expect(anyAddress((host) => host !== "::")).toBe("0.0.0.0");
  expect(anyAddress(() => true)).toBe("::");
});

test("an address of IPv6 may have the brackets of a URL", () => {
  expect(["[::1]", "::1", "127.0.0.1", "localhost"].map(withoutBrackets)).toEqual([
    ...["::1", "::1", "127.0.0.1", "localhost"],
  ]);
  expect(readConfig(["--host", "[::1]"], {}).host).toBe("::1");
});

test("the address of an IPv4 client is written as IPv4 on every socket", () => {
  expect(endpointText("::ffff:10.1.2.3", 80)).toBe("10.1.2.3:80");
  expect(endpointText("10.1.2.3", 80)).toBe("10.1.2.3:80");
  expect(endpointText(undefined, undefined)).toBe("?:0");
  expect(endpointText("2001:db8::1", 80)).toBe("[2001:db8::1]:80");
});

describe.skipIf(!hasIPv6)("with the default host", () => {
  test("clients over IPv4 and IPv6 are served, listed, and killed by their address", async () => {
    const respPort = freePort();
    await using service = await startService(["--host", "auto", "--resp-port", `${respPort}`]);
    const port = new URL(service.url).port;
    expect(await service.stdout()).toContain(` ipv6=http://[::]:${port} `);
    for (const host of ["127.0.0.1", "[::1]"]) {
      expect((await fetch(`http://${host}:${port}/readyz`)).status).toBe(200);
    }
    using killer = await connectRaw(respPort, undefined, "::1");
    using client = await connectRaw(respPort);
    client.send("CLIENT INFO\r\n");
    const [, address] =
      /addr=(127\.0\.0\.1:\d+) laddr=127\.0\.0\.1:/.exec(await client.until("\n\r\n")) ?? [];
    killer.send("CLIENT INFO\r\n");
    expect(await killer.until("\n\r\n")).toMatch(/addr=\[::1\]:\d+ laddr=\[::1\]:/);
    killer.send(`CLIENT KILL ${address}\r\n`);
    expect(await killer.until("+OK\r\n")).toEndWith("+OK\r\n");
    await client.closed;
  });

  test("a second service finds the port in use on every address", async () => {
    for (const hostname of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
      using taken = Bun.listen({ hostname, port: 0, socket: { data() {} } });
      const { code, stderr } = await runToEnd(["--port", `${taken.port}`, "--resp-port", "0"]);
      expect([hostname, code, stderr]).toEqual([
        ...[hostname, 71, expect.stringContaining("the port is in use")],
      ]);
    }
  });

  test("the claim of one address keeps other claims from the port", async () => {
    const claim = await PortClaim.take("::", 0);
    const { port } = claim;
    const second = PortClaim.take("127.0.0.1", port);
    expect(await Promise.race([second, Bun.sleep(50).then(() => "waits")])).toBe("waits");
    claim.release();
    (await second).release();
  });
});
