// Splits an inline command into its words, as redis's sdssplitargs does: words stand
// between white space, "double quotes" know \n \r \t \b \a \xHH and \", 'single quotes'
// only \'. A quote must be followed by white space or the end.

const DOUBLE = 34;
const SINGLE = 39;
const BACKSLASH = 92;
const VERTICAL_TAB = 11;
const FORM_FEED = 12;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** The words of a line, in one buffer of their own; undefined if its quotes do not match. O(length). */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  const text = new Text(line.length);
  let at = 0;
  for (;;) {
    while (isSpace(line[at])) at++;
    if (at >= line.length) return words;
    const start = text.end;
    while (at < line.length && !endsWord(line[at])) {
      const byte = line[at] ?? 0;
      if (byte !== DOUBLE && byte !== SINGLE) {
        text.push(byte);
        at++;
        continue;
      }
      const end = quoted(line, at, text);
      if (end === undefined || (end < line.length && !isSpace(line[end]))) return undefined;
      at = end;
      break;
    }
    words.push(text.bytes.subarray(start, text.end));
  }
}

/** The words of a line without their quotes, which are no longer than the line. */
class Text {
  readonly bytes: Buffer;
  end = 0;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length);
  }

  push(byte: number): void {
    this.bytes[this.end++] = byte;
  }
}

/** Reads the quoted text that begins at `start` into `word`; answers where it ends. */
function quoted(line: Buffer, start: number, word: Text): number | undefined {
  const quote = line[start];
  for (let at = start + 1; at < line.length;) {
    const byte = line[at] ?? 0;
    if (byte === quote) return at + 1;
    const escaped = line[at + 1];
    if (byte !== BACKSLASH || escaped === undefined) {
      word.push(byte);
      at++;
    } else if (quote === SINGLE) {
      word.push(escaped === SINGLE ? escaped : byte);
      at += escaped === SINGLE ? 2 : 1;
    } else {
      const hex = /^x[0-9a-fA-F]{2}/.exec(line.toString("latin1", at + 1, at + 4));
      word.push(
        hex
          ? Number.parseInt(hex[0].slice(1), 16)
          : (ESCAPES[String.fromCharCode(escaped)] ?? escaped),
      );
      at += hex ? 4 : 2;
    }
  }
  return undefined;
}

/** White space before a word, as C's isspace. A NUL ends the line for redis, and is white space here. */
function isSpace(byte: number | undefined): boolean {
  return byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13) || byte === 0;
}

/** Redis takes a vertical tab and a form feed for white space before a word, but not at its end. */
function endsWord(byte: number | undefined): boolean {
  return isSpace(byte) && byte !== VERTICAL_TAB && byte !== FORM_FEED;
}
