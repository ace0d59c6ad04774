// A table on a wide page, one card per row on a phone. The roles are stated because CSS that changes `display` makes some
// browsers forget that it is a table.
import type { ComponentChildren, JSX } from "preact";

export interface Column<R> {
  key: string;
  header: string;
  cell: (row: R) => ComponentChildren;
  /** Stands first on a phone's card, without its header. */
  main?: boolean;
  end?: boolean;
  /** The column of buttons: its header is for screen readers only. */
  bare?: boolean;
}

export interface TableProps<R> {
  /** Names the table for screen readers. */
  caption: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  rowKey: (row: R) => string;
}

export function Table<R>({ caption, columns, rows, rowKey }: TableProps<R>): JSX.Element {
  return (
    <table class="table" role="table">
      <caption class="quietly">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.key} role="columnheader" scope="col" class={column.end ? "table__cell--end" : ""}>
              {column.bare ? <span class="quietly">{column.header}</span> : column.header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row">
            {columns.map((column) => (
              <td
                key={column.key}
                role="cell"
                data-label={column.bare ? undefined : column.header}
                class={[column.main ? "table__cell--main" : "", column.end ? "table__cell--end" : ""].join(" ").trim()}
              >
                <div>{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
