// Splits an inline command into its words by the rules of redis's sdssplitargs. White space separates
// words. "Double quotes" have the escapes \n \r \t \b \a \xHH and \", 'single quotes' only \'. White
// space or the end must follow a closing quote.

const DOUBLE = 34;
const SINGLE = 39;
const BACKSLASH = 92;
const VERTICAL_TAB = 11;
const FORM_FEED = 12;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** Returns the words of a line in a new buffer, or undefined if its quotes do not match. O(length). */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  const text = new Text(line.length);
  let offset = 0;
  for (;;) {
    while (isSpace(line[offset])) offset++;
    if (offset >= line.length) return words;
    const start = text.end;
    while (offset < line.length && !endsWord(line[offset])) {
      const byte = line[offset] ?? 0;
      if (byte !== DOUBLE && byte !== SINGLE) {
        text.push(byte);
        offset++;
        continue;
      }
      const end = readQuoted(line, offset, text);
      if (end === undefined || (end < line.length && !isSpace(line[end]))) return undefined;
      offset = end;
      break;
    }
    words.push(text.bytes.subarray(start, text.end));
  }
}

/** The words of a line without their quotes. They are never longer than the line. */
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

/** Appends the quoted text at `start` to `word`. Returns its end, or undefined without a closing quote. */
function readQuoted(line: Buffer, start: number, word: Text): number | undefined {
  const quote = line[start];
  for (let offset = start + 1; offset < line.length;) {
    const byte = line[offset] ?? 0;
    if (byte === quote) return offset + 1;
    const escaped = line[offset + 1];
    if (byte !== BACKSLASH || escaped === undefined) {
      word.push(byte);
      offset++;
    } else if (quote === SINGLE) {
      word.push(escaped === SINGLE ? escaped : byte);
      offset += escaped === SINGLE ? 2 : 1;
    } else {
      const hex = /^x[0-9a-fA-F]{2}/.exec(line.toString("latin1", offset + 1, offset + 4));
      word.push(
        hex
          ? Number.parseInt(hex[0].slice(1), 16)
          : (ESCAPES[String.fromCharCode(escaped)] ?? escaped),
      );
      offset += hex ? 4 : 2;
    }
  }
  return undefined;
}

/** Returns whether C's isspace accepts the byte. NUL is white space here, and ends the line in redis. */
function isSpace(byte: number | undefined): boolean {
  return byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13) || byte === 0;
}

/** Returns whether the byte ends a word. In redis a vertical tab and a form feed only precede words. */
function endsWord(byte: number | undefined): boolean {
  return isSpace(byte) && byte !== VERTICAL_TAB && byte !== FORM_FEED;
}
