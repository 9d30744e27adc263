// Who may do what: what a call needs, and what a token gives.
//
// Without a token everybody may do everything. With one, nobody without it may do anything
// but what is open; a second token may read.

/** What a call needs, and what a client may do: nothing but what is open, read, and change. */
export type Access = "open" | "read" | "write";

/** By rank: a client may do what needs no more than it has. */
const RANKS = { open: 0, read: 1, write: 2 } as const;

export function mayDo(has: Access, needs: Access): boolean {
  return RANKS[has] >= RANKS[needs];
}

/** Longest token, in characters of ASCII. */
export const MAX_TOKEN_LENGTH = 512;

export interface TokenTexts {
  /** Gives everything; "" where nobody needs one. */
  readonly authToken: string;
  /** Gives reading; "" where there is none. */
  readonly readToken: string;
}

/** The tokens of a service, which a reload may replace. */
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

  /** Whether a client must show one. */
  get areNeeded(): boolean {
    return this.#areNeeded;
  }

  /** What a client may do that has shown no token. */
  get withoutToken(): Access {
    return this.#areNeeded ? "open" : "write";
  }

  /**
   * What a token gives; undefined for a wrong one. The time does not depend on how much of it is
   * right: both tokens are compared, each over the longest length there may be.
   */
  accessOf(token: string): Access | undefined {
    const given = padded(token);
    const isFull = crypto.timingSafeEqual(given, this.#full);
    const isRead = crypto.timingSafeEqual(given, this.#read);
    if (!this.#areNeeded || token === "" || token.length > MAX_TOKEN_LENGTH) return undefined;
    if (isFull) return "write";
    return isRead && this.#hasRead ? "read" : undefined;
  }
}

/** A token's bytes behind its length in characters: as many bytes for every token. */
function padded(token: string): Buffer {
  const bytes = Buffer.alloc(2 + MAX_TOKEN_LENGTH);
  bytes.writeUInt16LE(Math.min(token.length, MAX_TOKEN_LENGTH + 1));
  bytes.write(token, 2);
  return bytes;
}
