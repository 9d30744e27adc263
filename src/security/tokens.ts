// Access control: the access that a request needs, and the access that a token gives.
//
// Without --auth-token every client has full access. With it, a client without a token can use only
// what is open. A client with the second token can also read.

/** The access that a request needs, and that a client has. "write" includes "read", "read" includes "open". */
export type Access = "open" | "read" | "write";

const RANKS = { open: 0, read: 1, write: 2 } as const;

/** Returns whether a client with access `has` may make a request that needs `needs`. */
export function mayDo(has: Access, needs: Access): boolean {
  return RANKS[has] >= RANKS[needs];
}

/** Characters of the longest token. */
export const TOKEN_LENGTH_MAX = 512;

export interface TokenTexts {
  /** Gives full access; "" if clients need no token. */
  readonly authToken: string;
  /** Gives read access; "" if there is no such token. */
  readonly readToken: string;
}

/** The tokens of a service. A reload may replace them. */
export class Tokens {
  #areNeeded = false;
  #full = padded("");
  #read = padded("");
  #hasRead = false;

  constructor(texts: TokenTexts) {
    this.replace(texts);
  }

  replace({ authToken, readToken }: TokenTexts): void {
    this.#areNeeded = authToken !== "";
    this.#full = padded(authToken);
    this.#read = padded(readToken);
    this.#hasRead = readToken !== "";
  }

  /** Whether a client must send a token. */
  get areNeeded(): boolean {
    return this.#areNeeded;
  }

  /** Whether a second token gives read access. */
  get hasReadToken(): boolean {
    return this.#areNeeded && this.#hasRead;
  }

  /** The access of a client that has sent no token. */
  get withoutToken(): Access {
    return this.#areNeeded ? "open" : "write";
  }

  /**
   * Returns the access that a token gives; undefined for a wrong token. The time does not depend on
   * the token: it is compared with both tokens, each over TOKEN_LENGTH_MAX characters.
   */
  accessOf(token: string): Access | undefined {
    const candidate = padded(token);
    const isFull = crypto.timingSafeEqual(candidate, this.#full);
    const isRead = crypto.timingSafeEqual(candidate, this.#read);
    if (!this.#areNeeded || token === "" || token.length > TOKEN_LENGTH_MAX) return undefined;
    if (isFull) return "write";
    return isRead && this.#hasRead ? "read" : undefined;
  }
}

/** Returns a token's length and its bytes, in a buffer of the same size for every token. */
function padded(token: string): Buffer {
  const bytes = Buffer.alloc(2 + TOKEN_LENGTH_MAX);
  bytes.writeUInt16LE(Math.min(token.length, TOKEN_LENGTH_MAX + 1));
  bytes.write(token, 2);
  return bytes;
}
