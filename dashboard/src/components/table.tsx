import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useShortcuts } from "../keyboard";
import { Checkbox } from "./form";

export interface Column<T> {
  id: string;
  title: string;
  cell: (row: T) => ComponentChildren;
  align?: "end";
  /** CSS width of the column on wide windows. */
  width?: string;
  /** The cell that names the row: first line of its card on small windows. */
  main?: boolean;
  /** Takes the room that is left and cuts what does not fit: for texts of any length. */
  grow?: boolean;
  /** Left out of cards where it is empty. */
  empty?: (row: T) => boolean;
}

/** Which rows are chosen, by key. */
export interface Selection {
  chosen: ReadonlySet<string>;
  set: (chosen: ReadonlySet<string>) => void;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  rowClass?: (row: T) => string;
  selection?: Selection;
  /** Let j, k, Enter and x work on this table. One table of a screen at most. */
  keyboard?: boolean;
}

/** Rows and columns; under 700 px each row becomes a card. */
export function Table<T>({ label, columns, rows, rowKey, rowClass, selection, keyboard }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const anchor = useRef<string | null>(null);
  const keys = rows.map(rowKey);
  const toggle = (key: string, range: boolean) => {
    if (!selection) return;
    selection.set(range ? withRange(selection.chosen, keys, anchor.current, key) : toggled(selection.chosen, key));
    anchor.current = key;
  };
  const chosenHere = selection ? keys.filter((key) => selection.chosen.has(key)).length : 0;
  return (
    <div class="table-frame">
      {keyboard && <RowKeys body={body} onSelect={selection && ((index, range) => toggle(keys[index] ?? "", range))} />}
      <table class="table" role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {selection && (
              <th role="columnheader" class="cell-check">
                <Checkbox
                  label="Select all on this page"
                  checked={keys.length > 0 && chosenHere === keys.length}
                  mixed={chosenHere > 0 && chosenHere < keys.length}
                  onChange={(checked) => selection.set(new Set(checked ? keys : []))}
                />
              </th>
            )}
            {columns.map((column) => (
              <th
                key={column.id}
                role="columnheader"
                scope="col"
                class={`${column.align ?? ""} ${column.grow ? "cell-grow" : ""}`}
                style={{ width: column.width }}
              >
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body} role="rowgroup">
          {rows.map((row, index) => {
            const key = keys[index] ?? "";
            const chosen = selection?.chosen.has(key);
            return (
              <tr
                key={key}
                role="row"
                tabIndex={keyboard ? -1 : undefined}
                aria-selected={selection ? chosen : undefined}
                class={`${chosen ? "chosen" : ""} ${rowClass?.(row) ?? ""}`}
              >
                {selection && (
                  <td role="cell" class="cell-check">
                    <Checkbox
                      label={`Select ${key}`}
                      checked={Boolean(chosen)}
                      onChange={(_, event) => toggle(key, event.shiftKey)}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td
                    key={column.id}
                    role="cell"
                    data-label={column.main ? undefined : column.title}
                    class={cellClass(column, row)}
                  >
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function cellClass<T>(column: Column<T>, row: T): string {
  const { align = "", main, grow, empty } = column;
  return `${align} ${main ? "cell-main" : ""} ${grow ? "cell-grow" : ""} ${empty?.(row) ? "cell-empty" : ""}`;
}

function toggled(chosen: ReadonlySet<string>, key: string): Set<string> {
  const next = new Set(chosen);
  if (!next.delete(key)) next.add(key);
  return next;
}

function withRange(chosen: ReadonlySet<string>, keys: readonly string[], from: string | null, to: string): Set<string> {
  const [a, b] = [from === null ? -1 : keys.indexOf(from), keys.indexOf(to)];
  if (a < 0) return toggled(chosen, to);
  return new Set([...chosen, ...keys.slice(Math.min(a, b), Math.max(a, b) + 1)]);
}

interface RowKeysProps {
  body: { current: HTMLTableSectionElement | null };
  onSelect?: (index: number, range: boolean) => void;
}

/** The row with the focus is the current row; nothing else has to remember it. */
function RowKeys({ body, onSelect }: RowKeysProps) {
  const rows = () => [...(body.current?.rows ?? [])];
  const current = () => rows().findIndex((row) => row.contains(document.activeElement));
  const move = (step: number) => {
    const all = rows();
    const row = all[Math.max(0, Math.min(all.length - 1, current() + step))];
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  const group = "List";
  const select = (range: boolean) => current() >= 0 && onSelect?.(current(), range);
  useShortcuts([
    { keys: "j", label: "Next row", group, run: () => move(1) },
    { keys: "k", label: "Previous row", group, run: () => move(-1) },
    { keys: "Enter", label: "Open the row", group, run: () => openRow(rows()[current()]) },
    ...(onSelect
      ? [
          { keys: "x", label: "Select the row", group, run: () => select(false) },
          { keys: "Shift+X", label: "Select up to the row", group, run: () => select(true) },
        ]
      : []),
  ]);
  return null;
}

/** Enter on a link or a button inside the row keeps its own meaning. */
function openRow(row: HTMLTableRowElement | undefined): void {
  const focused = document.activeElement;
  if (focused instanceof HTMLElement && focused !== row && row?.contains(focused)) focused.click();
  else if (focused === row) row?.querySelector<HTMLElement>("a")?.click();
  else if (focused instanceof HTMLElement) focused.click();
}
