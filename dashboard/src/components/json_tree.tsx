/** Show a JSON value as a tree that a keyboard, a screen reader and a thumb can walk through. */

import { ChevronDown, ChevronUp, Copy, FoldVertical, Lock, UnfoldVertical } from "lucide";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { stringifyExact } from "../api/exact_json";
import type { Json } from "../api/exact_json";
import { copyText } from "../clipboard";
import { formatBytes, formatNumber, plural } from "../format";
import "../styles/json.css";
import { Button, IconButton } from "./button";
import { Icon } from "./icon";
import { allContainers, entriesOf, isContainer, kindOf, openAtStart, PAGE, rowsOf, search, sizeOf } from "./json_rows";
import type { JsonMatches, JsonRow } from "./json_rows";

const LONG_TEXT = 280;
/** A tree of so few rows needs neither search nor folding. */
const SMALL = 12;
/** Of so few rows, nobody needs the path. */
const FEW = 3;
const NO_MATCHES: JsonMatches = { paths: [], cut: false, open: new Set(), limits: new Map() };

export interface JsonTreeProps {
  value: Json;
  /** The start of each path, and the tree's accessible name. */
  name: string;
  /** Bytes of the stored text. Without it, the size of what is shown. */
  size?: number | undefined;
  /** Whether the server sent only a part of the value. */
  truncated?: boolean | undefined;
}

export function JsonTree({ value, name, size, truncated }: JsonTreeProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => openAtStart(value, name));
  const [limits, setLimits] = useState<ReadonlyMap<string, number>>(new Map());
  const [active, setActive] = useState(name);
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const tree = useRef<HTMLDivElement>(null);

  const matches = useMemo(() => (words.trim() ? search(value, name, words.trim()) : NO_MATCHES), [value, name, words]);
  const shown = useMemo(() => merged(open, limits, matches), [open, limits, matches]);
  const rows = useMemo(() => rowsOf(value, name, shown), [value, name, shown]);
  const large = useMemo(() => rowsOf(value, name, { open: allContainers(value, name), limits: new Map() }).length > SMALL, [value, name]);
  const hits = useMemo(() => new Set(matches.paths), [matches]);
  const hit = matches.paths[at];
  const current = rows.find((row) => row.path === active) ?? rows[0]!;

  useEffect(() => {
    if (hit) rowElement(tree.current, hit)?.scrollIntoView({ block: "nearest" });
  }, [hit, rows]);

  const toggle = (row: JsonRow, wanted = !row.open) => {
    const next = new Set(open);
    for (const path of matches.open) next.add(path);
    if (wanted) next.add(row.path);
    else next.delete(row.path);
    setOpen(next);
    if (!wanted && matches.open.has(row.path)) setWords("");
  };
  const collapse = () => {
    setWords("");
    setOpen(new Set([name]));
  };
  const showMore = (row: JsonRow) => {
    const parent = String(row.value);
    setLimits(new Map(limits).set(parent, row.position - 1 + PAGE));
  };
  const focusRow = (row: JsonRow | undefined) => {
    if (!row) return;
    setActive(row.path);
    rowElement(tree.current, row.path)?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    const index = rows.indexOf(current);
    const move = {
      ArrowDown: () => focusRow(rows[index + 1]),
      ArrowUp: () => focusRow(rows[index - 1]),
      Home: () => focusRow(rows[0]),
      End: () => focusRow(rows[rows.length - 1]),
      ArrowRight: () => (current.size > 0 && !current.open ? toggle(current, true) : focusRow(rows[index + 1])),
      ArrowLeft: () => (current.open ? toggle(current, false) : focusRow(parentRow(rows, index))),
      Enter: () => activate(current),
      " ": () => activate(current),
    }[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };
  const activate = (row: JsonRow) => {
    if (row.hidden > 0) showMore(row);
    else if (row.size > 0) toggle(row);
  };
  const step = (by: number) => setAt((at + by + matches.paths.length) % Math.max(1, matches.paths.length));

  return (
    <div class="json">
      <div class="json-bar">
        <span class="json-size">
          {[describe(value), size === undefined ? "" : formatBytes(size)].filter(Boolean).join(" · ")}
        </span>
        {large && (
          <>
            <div class="json-search">
              <input
                type="search"
                class="input small-control"
                value={words}
                placeholder="Find"
                aria-label={`Find in ${name}`}
                onInput={(event) => {
                  setWords(event.currentTarget.value);
                  setAt(0);
                }}
                onKeyDown={(event) => {
                  if (event.key !== "Enter") return;
                  event.preventDefault();
                  step(event.shiftKey ? -1 : 1);
                }}
              />
              {words.trim() && (
                <>
                  <span class="json-count number" role="status">
                    {matches.paths.length === 0 ? "none" : `${at + 1} of ${matches.paths.length}${matches.cut ? "+" : ""}`}
                  </span>
                  <IconButton icon={ChevronUp} label="Previous match" onClick={() => step(-1)} />
                  <IconButton icon={ChevronDown} label="Next match" onClick={() => step(1)} />
                </>
              )}
            </div>
            <IconButton icon={UnfoldVertical} label={`Expand all of ${name}`} onClick={() => setOpen(allContainers(value, name))} />
            <IconButton icon={FoldVertical} label={`Collapse ${name}`} onClick={collapse} />
          </>
        )}
        <IconButton icon={Copy} label={`Copy ${name}`} onClick={() => void copyText(copied(value), name)} />
      </div>
      {truncated && <p class="json-note">Only the first part is shown: the stored value is too large for a page.</p>}
      <div class="json-tree" role="tree" aria-label={name} ref={tree} onKeyDown={onKey}>
        {rows.map((row) => (
          <Row
            key={row.path}
            row={row}
            current={row === current}
            hit={hits.has(row.path)}
            here={row.path === hit}
            onToggle={() => activate(row)}
            onFocus={() => setActive(row.path)}
          />
        ))}
      </div>
      {rows.length > FEW && current.hidden === 0 && (
        <div class="json-path">
          <code>{current.path}</code>
          <Button small kind="quiet" icon={Copy} onClick={() => void copyText(current.path, "the path")}>Path</Button>
          <Button small kind="quiet" icon={Copy} onClick={() => void copyText(copied(current.value), "the value")}>Value</Button>
        </div>
      )}
    </div>
  );
}

interface RowProps {
  row: JsonRow;
  current: boolean;
  hit: boolean;
  here: boolean;
  onToggle: () => void;
  onFocus: () => void;
}

function Row({ row, current, hit, here, onToggle, onFocus }: RowProps) {
  return (
    <div
      role="treeitem"
      class={`json-row${hit ? " hit" : ""}${here ? " here" : ""}`}
      data-path={row.path}
      tabIndex={current ? 0 : -1}
      aria-level={row.depth + 1}
      aria-setsize={row.siblings}
      aria-posinset={row.position}
      aria-expanded={row.size > 0 ? row.open : undefined}
      aria-selected={current}
      style={{ paddingInlineStart: `${row.depth * 1.1 + 0.25}rem` }}
      onFocus={onFocus}
      onClick={row.size > 0 || row.hidden > 0 ? onToggle : undefined}
    >
      {row.hidden > 0 ? (
        <span class="json-more">Show {Math.min(PAGE, row.hidden)} of {formatNumber(row.hidden)} more</span>
      ) : (
        <>
          <span class={`json-twist${row.size > 0 ? "" : " none"}${row.open ? " open" : ""}`} aria-hidden="true" />
          {row.key !== null && <span class={typeof row.key === "number" ? "json-index" : "json-key"}>{String(row.key)}</span>}
          {row.key !== null && <span class="json-colon">:</span>}
          <Value row={row} />
        </>
      )}
    </div>
  );
}

function Value({ row }: { row: JsonRow }) {
  if (isContainer(row.value)) return <span class="json-brackets">{brackets(row)}</span>;
  if (row.kind === "redacted") return <RedactedMark />;
  if (row.kind === "string") return <Text text={String(row.value)} />;
  return <span class={`json-value ${row.kind}`}>{row.value === null ? "null" : String(row.value)}</span>;
}

function RedactedMark() {
  return (
    <span class="json-redacted" title="The server does not show this value">
      <Icon icon={Lock} size={11} /> redacted
    </span>
  );
}

function Text({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  const long = text.length > LONG_TEXT;
  return (
    <span class="json-value string">
      {JSON.stringify(long && !whole ? text.slice(0, LONG_TEXT) : text)}
      {long && (
        <button type="button" class="json-whole" onClick={(event) => { event.stopPropagation(); setWhole(!whole); }}>
          {whole ? "less" : `… all ${formatNumber(text.length)} characters`}
        </button>
      )}
    </span>
  );
}

function brackets(row: JsonRow): string {
  const [start, end] = row.kind === "array" ? ["[", "]"] : ["{", "}"];
  if (row.size === 0) return `${start}${end}`;
  return row.open ? counted(row) : `${start} ${glance(row)} ${end}`;
}

function counted(row: JsonRow): string {
  return plural(row.size, row.kind === "array" ? "item" : "key");
}

function describe(value: Json): string {
  const kind = kindOf(value);
  if (kind === "array" || kind === "object") return plural(sizeOf(value), kind === "array" ? "item" : "key");
  return kind === "null" ? "" : kind;
}

/** Return a few words about what a closed container holds. */
function glance(row: JsonRow): string {
  const first = entriesOf(row.value).slice(0, 4);
  const parts = first.map(([key, item]) => {
    const text = isContainer(item) ? "…" : stringifyExact(item).slice(0, 24);
    return row.kind === "array" ? text : `${key}: ${text}`;
  });
  const all = parts.join(", ").slice(0, 72);
  return row.size > first.length ? `${all}, … ${row.size - first.length} more` : all;
}

function merged(open: ReadonlySet<string>, limits: ReadonlyMap<string, number>, matches: JsonMatches) {
  if (matches === NO_MATCHES) return { open, limits };
  const both = new Map(limits);
  for (const [path, limit] of matches.limits) both.set(path, Math.max(limit, both.get(path) ?? PAGE));
  return { open: new Set([...open, ...matches.open]), limits: both };
}

function parentRow(rows: readonly JsonRow[], index: number): JsonRow | undefined {
  const depth = rows[index]!.depth;
  return rows.slice(0, index).findLast((row) => row.depth < depth);
}

function rowElement(tree: HTMLElement | null, path: string): HTMLElement | null {
  return tree?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`) ?? null;
}

function copied(value: Json): string {
  return typeof value === "string" ? value : stringifyExact(value, 2);
}
