// Text from elsewhere, made safe for a terminal and cut to a width.
//
// Keys may hold anything: what moves a cursor, changes colours, runs from right to
// left or is not one or two columns wide on every terminal is shown as an escape.

/**
 * Controls, formats (bidirectional, joiners), surrogates, private and unassigned
 * characters; marks, which pile up on a neighbour; spaces other than the space;
 * emoji, of whose width terminals have different ideas. And the escape itself.
 */
const UNSAFE = /[\p{C}\p{M}\p{Zl}\p{Zp}\p{Emoji_Presentation}\\]|(?! )\p{Zs}/gu;

const SHORT: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** The text with all that is not plainly visible as `\n`, `\x1b` or `\u{1f600}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? escaped(character));
}

/** JSON of nothing but ASCII, so that a line stays one line on any terminal. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Printable text in at most so many columns; "…" stands for what was cut. */
export function clip(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text;
  if (columns < 1) return "";
  let kept = "";
  let width = 1;
  for (const character of text) {
    width += Bun.stringWidth(character);
    if (width > columns) break;
    kept += character;
  }
  return `${kept}…`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
