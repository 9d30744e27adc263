// What TLS takes.

/** In PEM. */
export interface TlsTexts {
  /** The service's certificate, with those that lead to its root. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates, if clients must have one. */
  readonly ca: string | undefined;
}

/**
 * The ciphers of TLS 1.2: only those with forward secrecy and authenticated encryption (RFC 9325). The
 * library's default has the RSA key exchange too. TLS 1.3 has no others.
 */
const CIPHERS = ["ECDSA", "RSA"]
  .flatMap((key) =>
    ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"].map(
      (cipher) => `ECDHE-${key}-${cipher}`,
    ),
  )
  .join(":");

/** The options of Bun's listeners. A client that has no certificate of the authorities' is refused. */
export function bunTlsOf({ cert, key, ca }: TlsTexts) {
  const own = { cert, key, ciphers: CIPHERS };
  if (ca === undefined) return own;
  return { ...own, ca, requestCert: true, rejectUnauthorized: true };
}
