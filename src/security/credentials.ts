// The tokens and certificates of the service, from options and the files that they name. Read at
// the start, and again when files have changed.

import type { TokenTexts } from "./tokens.ts";
import { type Config, OptionError } from "../config/config.ts";
import { secretOf, textOf } from "./secret-file.ts";
import { bunTlsOf, type TlsTexts } from "./tls.ts";

export interface Credentials {
  readonly tokens: TokenTexts;
  /** Undefined where the ports speak in clear. */
  readonly tls: TlsTexts | undefined;
}

/** Throws OptionError, which names the option and never what is secret. */
export async function readCredentials(config: Config): Promise<Credentials> {
  return { tokens: readTokens(config), tls: await readTls(config) };
}

/** The same without what TLS takes. */
export function readTokens(config: Config): TokenTexts {
  const authToken = secretOf(config.authToken, config.authTokenFile, "--auth-token");
  const readToken = secretOf(config.readToken, config.readTokenFile, "--read-token");
  if (readToken !== "" && authToken === "") {
    throw new OptionError(
      "--read-token needs --auth-token: without it everybody may do everything",
    );
  }
  if (readToken !== "" && readToken === authToken) {
    throw new OptionError("--auth-token and --read-token are the same; they must differ");
  }
  return { authToken, readToken };
}

async function readTls({ tlsCert, tlsKey, tlsCa }: Config): Promise<TlsTexts | undefined> {
  if (tlsCert === "" && tlsKey === "" && tlsCa === "") return undefined;
  if (tlsCert === "" || tlsKey === "") {
    throw new OptionError("TLS takes both --tls-cert and --tls-key");
  }
  const { createPrivateKey, X509Certificate } = await cryptography();
  const cert = textOf("--tls-cert", tlsCert);
  const key = textOf("--tls-key", tlsKey);
  const certificate = parsed("--tls-cert", tlsCert, () => new X509Certificate(cert));
  const privateKey = parsed("--tls-key", tlsKey, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new OptionError(`--tls-key ${tlsKey} is not the key of --tls-cert ${tlsCert}`);
  }
  const tls = { cert, key, ca: tlsCa === "" ? undefined : textOf("--tls-ca", tlsCa) };
  refuseUnusable(tls);
  return tls;
}

/** Throws if no listener could be opened with these: what else may be wrong, the library knows. */
function refuseUnusable(tls: TlsTexts): void {
  const socket = { data() {} };
  try {
    Bun.listen({ hostname: "127.0.0.1", port: 0, tls: bunTlsOf(tls), socket }).stop(true);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OptionError(`--tls-cert, --tls-key and --tls-ca do not serve together: ${reason}`);
  }
}

/** When a certificate ends, as it says itself. */
export async function validUntil({ cert }: TlsTexts): Promise<string> {
  const { X509Certificate } = await cryptography();
  return new Date(new X509Certificate(cert).validTo).toISOString();
}

function parsed<T>(option: string, file: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new OptionError(`${option} ${file} is not in PEM, or is in a form that is not known`);
  }
}

/** Only where it is needed: it takes 6 MB. */
function cryptography(): Promise<typeof import("node:crypto")> {
  return import("node:crypto");
}
