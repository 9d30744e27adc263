// Certificates and keys for the tests of TLS. Each test file makes its own certificates in a temporary
// folder, so that the repository has no keys.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";

const DAY_MS = 86_400_000;

export interface CertificateOptions {
  /** The name of the signing authority. By default the certificate is self-signed. */
  readonly authority?: string;
  /** Whether the certificate may sign others. */
  readonly isAuthority?: boolean;
  /** By default an elliptic curve. */
  readonly keyType?: "ec" | "rsa";
  /** By default two days ago. */
  readonly notBefore?: Date;
  /** By default in 30 days. */
  readonly notAfter?: Date;
}

/** A folder of certificates with their keys. The name of a certificate is the common name of its subject. */
export class Certificates implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Makes a folder with the self-signed `first`, `second` and `stranger`; `authority`; and two that it
   * signs: `client`, and `expired`, which was valid until yesterday. Takes 0.2 seconds.
   */
  static async create(): Promise<Certificates> {
    const made = new Certificates(await mkdtemp(join(tmpdir(), "ringcache-certificates-")));
    await made.make("first");
    await made.make("second");
    await made.make("stranger");
    await made.make("authority", { isAuthority: true });
    await made.make("client", { authority: "authority" });
    const yesterday = new Date(Date.now() - DAY_MS);
    await made.make("expired", { authority: "authority", notAfter: yesterday });
    return made;
  }

  /** Returns the path of a certificate in PEM format. */
  certOf(name: string): string {
    return join(this.#folder, `${name}.pem`);
  }

  /** Returns the path of the key in PEM format. */
  keyOf(name: string): string {
    return join(this.#folder, `${name}.key.pem`);
  }

  /** Writes a certificate for localhost and 127.0.0.1, and its key. */
  async make(name: string, options: CertificateOptions = {}): Promise<void> {
    const { authority, isAuthority = false, keyType = "ec" } = options;
    const { notBefore = new Date(Date.now() - 2 * DAY_MS) } = options;
    const { notAfter = new Date(Date.now() + 30 * DAY_MS) } = options;
    const localhost = [
      { type: 2, value: "localhost" },
      { type: 7, ip: "127.0.0.1" },
    ] as const;
    const made = await generate([{ name: "commonName", value: name }], {
      // 10 ms for one certificate; with an RSA key 140 ms.
      ...{ keyType, algorithm: "sha256", notBeforeDate: notBefore, notAfterDate: notAfter },
      extensions: [
        { name: "basicConstraints", cA: isAuthority, critical: true },
        { name: "subjectAltName", altNames: [...localhost] },
      ],
      ...(authority === undefined ? {} : { ca: await this.#pair(authority) }),
    });
    await Bun.write(this.certOf(name), `${made.cert}\n`);
    await Bun.write(this.keyOf(name), `${made.private}\n`, { mode: 0o600 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #pair(name: string): Promise<{ readonly cert: string; readonly key: string }> {
    const texts = [this.certOf(name), this.keyOf(name)].map((path) => Bun.file(path).text());
    const [cert = "", key = ""] = await Promise.all(texts);
    return { cert, key };
  }
}
