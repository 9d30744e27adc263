// Untrusted text, made safe for a terminal and cut to a width.
//
// A key may contain any character. Characters that move the cursor, change colours, run from right
// to left, or have no certain width of one or two columns are shown as escapes.

/**
 * Controls, formats (bidirectional, joiners), surrogates, private and unassigned characters; marks,
 * which combine with a neighbour; spaces other than U+0020; emoji, whose width depends on the
 * terminal; and the backslash, which starts an escape.
 */
const UNSAFE = /[\p{C}\p{M}\p{Zl}\p{Zp}\p{Emoji_Presentation}\\]|(?! )\p{Zs}/gu;

const SHORT: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Returns the text with unsafe characters as `\n`, `\x1b` or `\u{1f600}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? escaped(character));
}

/** Returns the text as a JSON string of printable ASCII, so that it stays on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Cuts printable text to at most `columns`; "…" marks the cut. */
export function clip(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text;
  if (columns < 1) return "";
  let head = "";
  let width = 1;
  for (const character of text) {
    width += Bun.stringWidth(character);
    if (width > columns) break;
    head += character;
  }
  return `${head}…`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
