// The rows of a table whose figures change once a second: rows stay, their text changes.

import { make } from "./elements.ts";

/** One row and the parts of it that change. */
export interface Row {
  readonly element: HTMLTableRowElement;
}

export class Rows<R extends Row> {
  readonly #body: HTMLTableSectionElement;
  readonly #make: (index: number) => R;
  readonly #rows: R[] = [];

  /** Rows of a new body of the table, made as they are needed. */
  constructor(table: HTMLTableElement, makeRow: (index: number) => R) {
    this.#body = make("tbody");
    this.#make = makeRow;
    table.append(this.#body);
  }

  /** One row for each item. */
  show<Item>(items: readonly Item[], fill: (row: R, item: Item) => void): void {
    while (this.#rows.length > items.length) this.#rows.pop()?.element.remove();
    for (const [index, item] of items.entries()) {
      const row = this.#rows[index] ?? this.#add(index);
      fill(row, item);
    }
  }

  #add(index: number): R {
    const row = this.#make(index);
    this.#rows.push(row);
    this.#body.append(row.element);
    return row;
  }
}

/** The head cell of a row, which screen readers name the row by. */
export function rowHead(className: string, ...children: (Node | string)[]): HTMLElement {
  const cell = make("th", className, ...children);
  cell.scope = "row";
  return cell;
}
