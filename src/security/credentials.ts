// The tokens and certificates of the service, from options and the files that they name. They are read
// at the start, and again at SIGHUP.

import type { TokenTexts } from "./tokens.ts";
import { type Config, OptionError } from "../config/config.ts";
import { readSecret, readOptionFile } from "./secret-file.ts";
import { bunTlsOf, type TlsTexts } from "./tls.ts";

export interface Credentials {
  readonly tokens: TokenTexts;
  /** Undefined without TLS. */
  readonly tls: TlsTexts | undefined;
  /** The secrets of the connections to the upstream, which only the start reads. */
  readonly upstream?: UpstreamSecrets;
}

export interface UpstreamSecrets {
  /** "" for none. */
  readonly password: string;
  /** Authorities in PEM format; "" for those of the system. */
  readonly ca: string;
}

/** Throws OptionError, whose message names the option and never contains a secret. */
export async function readCredentials(config: Config): Promise<Credentials> {
  return { tokens: readTokens(config), tls: await readTls(config), upstream: readUpstream(config) };
}

function readUpstream({ upstreamPasswordFile: file, upstreamTlsCa: ca }: Config): UpstreamSecrets {
  return {
    password: readSecret("", file, "--upstream-password"),
    ca: ca === "" ? "" : readOptionFile("--upstream-tls-ca", ca),
  };
}

/** Reads the tokens alone. Throws OptionError. */
export function readTokens(config: Config): TokenTexts {
  const authToken = readSecret(config.authToken, config.authTokenFile, "--auth-token");
  const readToken = readSecret(config.readToken, config.readTokenFile, "--read-token");
  if (readToken !== "" && authToken === "") {
    throw new OptionError(
      "--read-token needs --auth-token: without it every client has full access",
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
  const cert = readOptionFile("--tls-cert", tlsCert);
  const key = readOptionFile("--tls-key", tlsKey);
  const certificate = parsePem("--tls-cert", tlsCert, () => new X509Certificate(cert));
  const privateKey = parsePem("--tls-key", tlsKey, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new OptionError(`--tls-key ${tlsKey} is not the key of --tls-cert ${tlsCert}`);
  }
  const tls = { cert, key, ca: tlsCa === "" ? undefined : readOptionFile("--tls-ca", tlsCa) };
  checkUsable(tls);
  return tls;
}

/** Opens a listener with the files, so that the TLS library checks them. Throws OptionError. */
function checkUsable(tls: TlsTexts): void {
  const socket = { data() {} };
  try {
    Bun.listen({ hostname: "127.0.0.1", port: 0, tls: bunTlsOf(tls), socket }).stop(true);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OptionError(`--tls-cert, --tls-key and --tls-ca cannot be used together: ${reason}`);
  }
}

/** Returns the end of a certificate's validity, as an ISO date. */
export async function validUntil({ cert }: TlsTexts): Promise<string> {
  const { X509Certificate } = await cryptography();
  return new Date(new X509Certificate(cert).validTo).toISOString();
}

function parsePem<T>(option: string, file: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new OptionError(`${option} ${file} is not in PEM format, or has an unknown form`);
  }
}

/** Loaded only with TLS: it takes 6 MB. */
function cryptography(): Promise<typeof import("node:crypto")> {
  return import("node:crypto");
}
