// Lines of a screen. A line has spans of text with a tone, so its width is known before it gets
// escape codes.

import { clip } from "./printable.ts";

/** The role of a text, which determines its style. */
export type Tone = "heading" | "unit" | "warning";
export type Span = string | readonly [Tone, string];
export type Line = readonly Span[];

/** Columns of the labels at the left. */
export const LABEL_COLUMNS = 11;
const GAP = "  ";
/** Bold, dim, yellow. */
const CODES: Readonly<Record<Tone, number>> = { heading: 1, unit: 2, warning: 33 };

export function heading(text: string): Span {
  return ["heading", text];
}

/** A unit or a name beside a value, in a dim style. */
export function unit(text: string): Span {
  return ["unit", text];
}

/** A text that needs the user's attention. */
export function warning(text: string): Span {
  return ["warning", text];
}

/** Returns the number of columns of a line. */
export function widthOf(line: Line): number {
  return line.reduce((sum, span) => sum + Bun.stringWidth(spanText(span)), 0);
}

/** Returns a line with its escape codes, cut to `columns`. */
export function paint(line: Line, columns: number, hasColour: boolean): string {
  let painted = "";
  let left = columns;
  for (const span of line) {
    const text = clip(spanText(span), left);
    left -= Bun.stringWidth(text);
    if (text === "") continue;
    painted +=
      typeof span === "string" || !hasColour ? text : `\x1b[${CODES[span[0]]}m${text}\x1b[0m`;
  }
  return painted;
}

/** Returns a label and its items, wrapped into as many lines as they need. */
export function flow(label: string, items: readonly Line[], columns: number): Line[] {
  const indent = label === "" ? "" : " ".repeat(LABEL_COLUMNS);
  const lines: Line[] = [];
  let line: Line = label === "" ? [] : [labelled(label)];
  let isEmpty = true;
  for (const item of items) {
    if (!isEmpty && widthOf(line) + GAP.length + widthOf(item) > columns) {
      lines.push(line);
      line = [indent];
      isEmpty = true;
    }
    line = isEmpty ? [...line, ...item] : [...line, GAP, ...item];
    isEmpty = false;
  }
  return [...lines, line];
}

/** Returns two lists of lines side by side; the left one has `columns` columns. */
export function besides(left: readonly Line[], right: readonly Line[], columns: number): Line[] {
  const rows = Math.max(left.length, right.length);
  return Array.from({ length: rows }, (_, row) => {
    const line = cut(left[row] ?? [], columns - GAP.length);
    const gap = " ".repeat(Math.max(0, columns - widthOf(line)));
    const beside = right[row];
    return beside === undefined ? line : [...line, gap, ...beside];
  });
}

/** Cuts a line to `columns`. */
function cut(line: Line, columns: number): Line {
  let left = columns;
  return line.flatMap((span): Span[] => {
    const text = clip(spanText(span), left);
    left -= Bun.stringWidth(text);
    if (text === "") return [];
    return [typeof span === "string" ? text : [span[0], text]];
  });
}

/** Returns a label, padded to LABEL_COLUMNS. */
export function labelled(label: string): Span {
  return heading(label.padEnd(LABEL_COLUMNS));
}

function spanText(span: Span): string {
  return typeof span === "string" ? span : span[1];
}
