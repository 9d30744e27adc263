// Tokens of leases: 16 random bytes in base64url. One does not tell anything about another.

const BYTES = 16;
/** Tokens whose bytes are drawn at once: a draw costs 1 µs however few bytes it has. */
const DRAWN = 64;

const drawn = Buffer.alloc(BYTES * DRAWN);
let next = drawn.length;

/** A token that cannot be guessed. */
export function newToken(): string {
  if (next === drawn.length) {
    crypto.getRandomValues(drawn);
    next = 0;
  }
  const token = drawn.toString("base64url", next, next + BYTES);
  next += BYTES;
  return token;
}

/** Whether the text has the form of a token. */
export function isToken(text: string): boolean {
  return /^[\w-]{21}[AQgw]$/.test(text);
}
