// Keys and values of a cache may hold any character. Those that cannot be seen, or that would move
// the text around them, are shown by a sign; the result is still only ever set as text.

// Controls, soft hyphen, zero-width and directional marks, line separators, byte order mark,
// interlinear and tag characters. Joiners (U+200C, U+200D) stay: emoji are made with them.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const UNSEEN_BUT_LINES = new RegExp(`(?![\\n\\t])${UNSEEN.source}`, "g");

/** One line: a line feed is "‹LF›", a mark without a short name of its own "‹U+202E›". */
export function visibleLine(text: string): string {
  return text.replace(UNSEEN, sign);
}

/** The same, but line feeds and tabs stay what they are. */
export function visibleLines(text: string): string {
  return text.replace(UNSEEN_BUT_LINES, sign);
}

/** At most `length` UTF-16 units of a text, no character cut in half. */
export function clipped(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return `${text.slice(0, isHalf ? length - 1 : length)}…`;
}

// Unicode has pictures of control characters, but many systems have no font with them.
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
