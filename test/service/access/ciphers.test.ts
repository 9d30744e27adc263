// The ciphers that both ports accept.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, DEFAULT_CIPHERS } from "node:tls";

import { Certificates } from "../../lib/certificates.ts";
import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";

let certificates: Certificates;
let service: ServiceProcess;
let ports: number[];

beforeAll(async () => {
  certificates = await Certificates.create();
  // The RSA key exchange needs an RSA key.
  await certificates.make("rsa", { keyType: "rsa" });
  const respPort = freePort();
  service = await startService([
    ...["--workers", "1", "--resp-port", `${respPort}`],
    ...["--tls-cert", certificates.certOf("rsa"), "--tls-key", certificates.keyOf("rsa")],
  ]);
  ports = [Number(new URL(service.url).port), respPort];
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

/** Returns the cipher of a connection, or "refused". */
function cipherOf(port: number, ciphers: string, maxVersion: "TLSv1.2" | "TLSv1.3") {
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ciphers, maxVersion };
  const socket = connect(options, () => {
    resolve(socket.getCipher().name);
    socket.destroy();
  });
  socket.on("error", () => resolve("refused"));
  return promise;
}

test("TLS 1.2 accepts ciphers with forward secrecy, and no others", async () => {
  for (const port of ports) {
    for (const cipher of [
      "ECDHE-RSA-AES128-GCM-SHA256",
      "ECDHE-RSA-AES256-GCM-SHA384",
      "ECDHE-RSA-CHACHA20-POLY1305",
    ]) {
      expect(await cipherOf(port, cipher, "TLSv1.2")).toBe(cipher);
    }
    for (const cipher of [
      ...["AES128-SHA", "AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384"],
      ...["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA"],
    ]) {
      expect([cipher, await cipherOf(port, cipher, "TLSv1.2")]).toEqual([cipher, "refused"]);
    }
  }
});

test("TLS 1.3 works", async () => {
  for (const port of ports) {
    expect(await cipherOf(port, DEFAULT_CIPHERS, "TLSv1.3")).toStartWith("TLS_");
  }
});
