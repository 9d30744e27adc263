// Keys and values may contain any character. Invisible characters, and those that would move the
// text around them, are replaced by a sign. The result is still only ever set as text.

// Controls, soft hyphen, zero-width and directional marks, line separators, byte order mark,
// interlinear and tag characters. Joiners (U+200C, U+200D) stay: emoji are made with them.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const UNSEEN_BUT_LINES = new RegExp(`(?![\\n\\t])${UNSEEN.source}`, "g");

/**
 * Returns the text as one line: a line feed becomes "‹LF›", a mark without a short name "‹U+202E›".
 */
export function visibleLine(text: string): string {
  return text.replace(UNSEEN, sign);
}

/** Returns the text with line feeds and tabs; other invisible characters are replaced. */
export function visibleLines(text: string): string {
  return text.replace(UNSEEN_BUT_LINES, sign);
}

/** Returns at most `length` UTF-16 units of a text, and cuts no character in half. */
export function clipped(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return `${text.slice(0, isHalf ? length - 1 : length)}…`;
}

// Unicode has symbols for control characters, but many systems have no font with these symbols.
const SHORT_NAMES = new Map([
  ["\0", "NUL"],
  ["\t", "TAB"],
  ["\n", "LF"],
  ["\r", "CR"],
  ["\u001b", "ESC"],
]);

function sign(character: string): string {
  const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return `‹${SHORT_NAMES.get(character) ?? `U+${code}`}›`;
}
