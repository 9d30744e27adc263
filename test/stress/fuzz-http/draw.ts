// What the inputs are drawn from: picks, texts and bytes of one seed.

import type { Random } from "../../lib/random.ts";

/** Characters that a parser of URLs, JSON or UTF-8 may stumble on. */
const ODD_CHARACTERS = [
  ...["\u0000", "\u0001", "\t", "\n", "\r", " ", '"', "\\", "/", "%", "+", "&", "=", "#", "?"],
  ...["é", "ß", "€", "\u2028", "\ufeff", "\ufffd", "🎉", "👩‍👩‍👧", "\u0301", "%00", "%zz", "\\u0000"],
];

export class Draw {
  readonly below: (limit: number) => number;

  constructor({ below }: Random) {
    this.below = below;
  }

  oneIn(limit: number): boolean {
    return this.below(limit) === 0;
  }

  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new Error("there is nothing to pick from");
    return picked;
  }

  /** `count` of what `make` makes. */
  list<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }

  bytes(length: number): Buffer {
    return Buffer.from(this.list(length, () => this.below(256)));
  }

  word(length: number): string {
    return this.list(length, () => "abcdefghijklmnopqrstuvwxyz0123456789"[this.below(36)]).join("");
  }

  /** Text of at most `length` parts, half of them odd. */
  text(length: number): string {
    const part = () => (this.oneIn(2) ? this.pick(ODD_CHARACTERS) : this.word(1 + this.below(4)));
    return this.list(this.below(length + 1), part).join("");
  }
}

/** One byte inserted or changed, some removed, the end cut off, or the whole rotated. */
export function mutate(draw: Draw, bytes: Buffer): Buffer {
  const at = draw.below(bytes.length + 1);
  switch (draw.below(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + draw.below(3))]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), draw.bytes(1), bytes.subarray(at)]);
    case 4: {
      // What delimits, where it does not belong.
      const inserted = draw.pick(["\r\n", "\n", "\r", "\0", ":", " ", "\r\n\r\n", "{", '"', "%"]);
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(inserted), bytes.subarray(at)]);
    }
    default: {
      const changed = Buffer.from(bytes);
      if (changed.length > 0) changed[draw.below(changed.length)] = draw.below(256);
      return changed;
    }
  }
}
