// What TLS takes.

/** In PEM. */
export interface TlsTexts {
  /** The service's certificate, with those that lead to its root. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates, if clients must have one. */
  readonly ca: string | undefined;
}

/** As Bun wants it. A client that has no certificate of the authorities' is refused. */
export function bunTlsOf({ cert, key, ca }: TlsTexts) {
  if (ca === undefined) return { cert, key };
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}
