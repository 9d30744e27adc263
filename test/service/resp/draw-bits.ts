// Draws random commands on bits and LCS, right ones and wrong ones.

import type { Random } from "../../lib/random.ts";

type Word = string | number;

const BIG = ["9223372036854775807", "-9223372036854775808", "9223372036854775808"];

/** `draw` returns the words of the next command; bytes are characters U+0000 to U+00FF. */
export function drawBitCommands({ below }: Random): { draw: () => Word[] } {
  const pick = <T>(...choices: readonly T[]): T => choices[below(choices.length)] as T;
  const list = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);
  const key = () => pick("a", "b", "c", "none");
  const bytes = () =>
    String.fromCharCode(...list(below(40), () => pick(0, 255, below(256), 97 + below(3))));
  const index = (): Word =>
    pick<Word>(below(20), -below(20), below(200) - 100, 0, -1, "x", pick(...BIG));
  const unit = () => pick("BIT", "byte", "x");
  const number = (): Word =>
    pick<Word>(below(300) - 150, 2 ** 40, -(2 ** 40), -1, 1, pick(...BIG), "1.5");
  const type = () =>
    pick("i", "u") + pick<Word>(1 + below(64), 1 + below(63), 8, 70, "08", "x", "");
  const goodType = () => pick(`i${1 + below(64)}`, `u${1 + below(63)}`);
  const offset = (): Word =>
    pick<Word>(below(64), below(900), `#${below(20)}`, "#x", -1, "4294967296");
  const overflow = () => pick<Word[]>([], ["OVERFLOW", pick("WRAP", "sat", "FAIL")]);
  const field = (): Word[] =>
    pick(
      ["GET", type(), offset()],
      [
        ...overflow(),
        pick("SET", "incrby"),
        goodType(),
        pick<Word>(below(64), `#${below(4)}`),
        number(),
      ],
      [...overflow(), pick("SET", "incrby"), type(), offset(), number()],
      pick<Word[]>(["FOO"], ["OVERFLOW", "x"], ["GET", "u8"], []),
    );
  const range = (): Word[] =>
    pick([], [index()], [index(), index()], [index(), index(), unit()], [1, 2, "BIT", 3]);
  const lcsOptions = (): Word[] =>
    pick<Word[]>(
      pick<Word[]>([], ["LEN"], ["IDX"], ["idx", "WITHMATCHLEN"], ["LEN", "IDX"], ["FOO"]),
      ["IDX", "MINMATCHLEN", pick<Word>(0, 2, 3, -1, "x"), ...pick<Word[]>([], ["WITHMATCHLEN"])],
    );
  const commands: readonly (() => Word[])[] = [
    () => ["SET", key(), bytes()],
    () => ["GET", key()],
    () => ["DEL", key()],
    () => ["SETBIT", key(), pick<Word>(below(300), index()), pick<Word>(0, 1, 0, 1, 2, "x")],
    () => ["GETBIT", key(), pick<Word>(below(300), index())],
    () => ["BITCOUNT", key(), ...range()],
    () => ["BITPOS", key(), pick<Word>(0, 1, 0, 1, 2, "x"), ...range()],
    () => ["BITOP", pick("AND", "or", "XOR", "not", "x"), key(), ...list(1 + below(4), key)],
    () => [pick("BITFIELD", "BITFIELD", "BITFIELD_RO"), key(), ...list(below(4), field).flat()],
    () => ["LCS", key(), key(), ...lcsOptions()],
  ];
  return { draw: () => pick(...commands)() };
}
