// The rows of a table whose values change once a second: the rows are reused, their text changes.

import { make } from "./elements.ts";

/** One row, and in subtypes its changing parts. */
export interface Row {
  readonly element: HTMLTableRowElement;
}

export class Rows<R extends Row> {
  readonly #body: HTMLTableSectionElement;
  readonly #make: () => R;
  readonly #rows: R[] = [];

  /** Adds a body to the table; `makeRow` creates its rows when they are needed. */
  constructor(table: HTMLTableElement, makeRow: () => R) {
    this.#body = make("tbody");
    this.#make = makeRow;
    table.append(this.#body);
  }

  /** Shows one row per item. */
  show<Item>(items: readonly Item[], fill: (row: R, item: Item) => void): void {
    while (this.#rows.length > items.length) this.#rows.pop()?.element.remove();
    for (const [index, item] of items.entries()) {
      const row = this.#rows[index] ?? this.#add();
      fill(row, item);
    }
  }

  #add(): R {
    const row = this.#make();
    this.#rows.push(row);
    this.#body.append(row.element);
    return row;
  }
}

/** Creates the head cell of a row; screen readers use it as the row's name. */
export function rowHead(className: string, ...children: (Node | string)[]): HTMLElement {
  const cell = make("th", className, ...children);
  cell.scope = "row";
  return cell;
}
