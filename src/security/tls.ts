// The settings of TLS listeners.

/** Texts in PEM format. */
export interface TlsTexts {
  /** The service's certificate, followed by its chain. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; undefined if clients need no certificate. */
  readonly ca: string | undefined;
}

/**
 * The ciphers of TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325). The library's
 * default also allows the RSA key exchange. All ciphers of TLS 1.3 have both properties.
 */
const CIPHERS = ["ECDSA", "RSA"]
  .flatMap((key) =>
    ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"].map(
      (cipher) => `ECDHE-${key}-${cipher}`,
    ),
  )
  .join(":");

/** Returns the options of Bun's listeners. With `ca`, a client without a certificate of it is rejected. */
export function bunTlsOf({ cert, key, ca }: TlsTexts) {
  const own = { cert, key, ciphers: CIPHERS };
  if (ca === undefined) return own;
  return { ...own, ca, requestCert: true, rejectUnauthorized: true };
}
