// Lines of a screen: spans of text with a tone, whose width is known before they
// become escape codes.

import { clip } from "./printable.ts";

/** What a text is, from which follows how it looks. */
export type Tone = "heading" | "unit" | "warning";
export type Span = string | readonly [Tone, string];
export type Line = readonly Span[];

/** Columns that the names of the figures take, at the left. */
export const LABEL_COLUMNS = 11;
const GAP = "  ";
/** Bold, dim, yellow. */
const CODES: Readonly<Record<Tone, number>> = { heading: 1, unit: 2, warning: 33 };

export function heading(text: string): Span {
  return ["heading", text];
}

/** Units and names of figures: what need not be read twice. */
export function unit(text: string): Span {
  return ["unit", text];
}

/** What somebody should look at. */
export function warning(text: string): Span {
  return ["warning", text];
}

/** Columns that a line takes. */
export function widthOf(line: Line): number {
  return line.reduce((sum, span) => sum + Bun.stringWidth(textOf(span)), 0);
}

/** A line as the terminal gets it, at most so many columns wide. */
export function paint(line: Line, columns: number, hasColour: boolean): string {
  let painted = "";
  let left = columns;
  for (const span of line) {
    const text = clip(textOf(span), left);
    left -= Bun.stringWidth(text);
    if (text === "") continue;
    painted +=
      typeof span === "string" || !hasColour ? text : `\x1b[${CODES[span[0]]}m${text}\x1b[0m`;
  }
  return painted;
}

/** Items one after the other behind a label, in as many lines as they need. */
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

/** The name of a figure, as wide as all of them. */
export function labelled(label: string): Span {
  return heading(label.padEnd(LABEL_COLUMNS));
}

function textOf(span: Span): string {
  return typeof span === "string" ? span : span[1];
}
