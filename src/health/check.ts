// `ringcache health`: asks /readyz of the service on this machine. Health checks of containers run it.

import { OptionError } from "../config/parse.ts";
import { withoutBrackets } from "../linux/addresses.ts";
import { type HealthOptions, HELP, readHealthOptions } from "./options.ts";

/** Docker reserves the other codes. */
const UNHEALTHY = 1;

/** Runs the subcommand. The process ends with its exit code. */
export async function runHealth(args: readonly string[]): Promise<never> {
  // A container often gets the proxy of its host, which has no way to this address. Two spellings exist.
  process.env["no_proxy"] = process.env["NO_PROXY"] = "*";
  try {
    const options = readHealthOptions(args, process.env);
    const text = options.help ? HELP : await readiness(options);
    process.stdout.write(`${text}\n`);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof OptionError || error instanceof Unhealthy)) throw error;
    process.stderr.write(`health: ${error.message}\n`);
    process.exit(UNHEALTHY);
  }
}

class Unhealthy extends Error {}

/** Returns one line if the service serves; throws Unhealthy with the reason if it does not. */
async function readiness(options: HealthOptions): Promise<string> {
  const url = readinessUrl(options);
  try {
    const signal = AbortSignal.timeout(options.timeout * 1000);
    const response = await fetch(url, { signal, ...tlsOf(options) });
    const text = (await response.text()).trim();
    if (!response.ok) throw new Unhealthy(`${url}: ${response.status} ${text}`);
    return `${url}: ${response.status}`;
  } catch (error) {
    if (error instanceof Unhealthy) throw error;
    throw new Unhealthy(`${url}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A service on all addresses also listens on the loopback. */
const LOOPBACK: Readonly<Record<string, string>> = {
  auto: "127.0.0.1",
  "0.0.0.0": "127.0.0.1",
  "::": "::1",
};

/** Returns the URL of the probe, which needs no token. */
function readinessUrl({ host, port, tlsCert }: HealthOptions): string {
  const plain = withoutBrackets(host);
  const address = LOOPBACK[plain] ?? plain;
  const scheme = tlsCert === "" ? "http" : "https";
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}/readyz`;
}

/**
 * Returns the options of a TLS connection. The certificate is for a name, and the check uses an address. If
 * the service requires client certificates, the check shows the service's own one.
 */
function tlsOf({ tlsCert, tlsKey, tlsCa }: HealthOptions) {
  if (tlsCert === "") return {};
  const own = tlsCa === "" ? {} : { cert: Bun.file(tlsCert), key: Bun.file(tlsKey) };
  return { tls: { rejectUnauthorized: false, ...own } };
}
