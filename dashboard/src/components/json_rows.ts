/** Turn a JSON value into the rows of a tree: which are shown, what their paths are, and which match a search. */

import { ExactNumber } from "../api/exact_json";
import type { Json } from "../api/exact_json";

export type JsonKind = "object" | "array" | "string" | "number" | "boolean" | "null" | "redacted";

export interface JsonRow {
  /** Where the value is, as code would write it: `data.items[3]["first name"]`. Unique in a tree. */
  readonly path: string;
  readonly depth: number;
  /** The key or the index below the parent; null at the root. */
  readonly key: string | number | null;
  readonly value: Json;
  readonly kind: JsonKind;
  /** How many entries a container has; 0 for other values. */
  readonly size: number;
  readonly open: boolean;
  readonly position: number;
  readonly siblings: number;
  /** How many entries of the *parent* stay hidden after this row; 0 but on a row that stands for them. */
  readonly hidden: number;
}

/** What a reader did to the tree: which containers are open, and how many entries of each are shown. */
export interface JsonTreeState {
  readonly open: ReadonlySet<string>;
  readonly limits: ReadonlyMap<string, number>;
}

export const PAGE = 100;
const SEARCHED = 50_000;
const SEARCHED_DEPTH = 500;
const FOUND = 500;
const OPEN_AT_START = 80;
export const REDACTED = "[redacted]";

export function kindOf(value: Json): JsonKind {
  if (value === null) return "null";
  if (value instanceof ExactNumber) return "number";
  if (Array.isArray(value)) return "array";
  if (value === REDACTED) return "redacted";
  return typeof value as "object" | "string" | "number" | "boolean";
}

export function isContainer(value: Json): value is Json[] | { [key: string]: Json } {
  const kind = kindOf(value);
  return kind === "object" || kind === "array";
}

/** Return the entries of a container in the order they were written (integer-like keys come first, as in any object). */
export function entriesOf(value: Json): [string | number, Json][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return isContainer(value) ? Object.entries(value) : [];
}

export function sizeOf(value: Json): number {
  if (Array.isArray(value)) return value.length;
  return isContainer(value) ? Object.keys(value).length : 0;
}

export function pathBelow(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `${parent}.${key}` : `${parent}[${JSON.stringify(key)}]`;
}

/** Return the containers that are open at first: level by level while what they show stays short. */
export function openAtStart(value: Json, root: string): Set<string> {
  const open = new Set<string>();
  let level: [string, Json][] = [[root, value]];
  let shown = 0;
  while (level.length > 0) {
    const next: [string, Json][] = [];
    for (const [path, item] of level) {
      const size = Math.min(sizeOf(item), PAGE);
      if (size === 0) continue;
      if (open.size > 0 && shown + size > OPEN_AT_START) return open;
      open.add(path);
      shown += size;
      for (const [key, below] of entriesOf(item).slice(0, PAGE)) next.push([pathBelow(path, key), below]);
    }
    level = next;
  }
  return open;
}

/** Return every container's path, up to a bound, so that "expand all" cannot hang a page. */
export function allContainers(value: Json, root: string): Set<string> {
  const found = new Set<string>();
  const waiting: [string, Json][] = [[root, value]];
  for (let at = 0; at < waiting.length && at < 2_000; at += 1) {
    const [path, item] = waiting[at]!;
    if (sizeOf(item) === 0) continue;
    found.add(path);
    for (const [key, below] of entriesOf(item).slice(0, PAGE)) {
      if (isContainer(below)) waiting.push([pathBelow(path, key), below]);
    }
  }
  return found;
}

export function rowsOf(value: Json, root: string, state: JsonTreeState): JsonRow[] {
  const rows: JsonRow[] = [];
  const add = (item: Json, path: string, key: string | number | null, depth: number, position: number, siblings: number) => {
    const size = sizeOf(item);
    const open = size > 0 && state.open.has(path);
    rows.push({ path, depth, key, value: item, kind: kindOf(item), size, open, position, siblings, hidden: 0 });
    if (!open) return;
    const entries = entriesOf(item);
    const limit = state.limits.get(path) ?? PAGE;
    entries.slice(0, limit).forEach(([name, below], index) => {
      add(below, pathBelow(path, name), name, depth + 1, index + 1, entries.length);
    });
    if (entries.length > limit) rows.push(restRow(path, depth + 1, entries.length, limit));
  };
  add(value, root, null, 0, 1, 1);
  return rows;
}

function restRow(parent: string, depth: number, total: number, shown: number): JsonRow {
  return {
    path: `${parent} …`, depth, key: null, value: parent, kind: "null", size: 0, open: false,
    position: shown + 1, siblings: total, hidden: total - shown,
  };
}

export interface JsonMatches {
  readonly paths: readonly string[];
  /** Whether the search stopped before the end of the value. */
  readonly cut: boolean;
  /** The containers to open, with the number of entries to show, for every match to be in sight. */
  readonly open: ReadonlySet<string>;
  readonly limits: ReadonlyMap<string, number>;
}

/** Find the keys and plain values that hold `words`, whatever their case. */
export function search(value: Json, root: string, words: string): JsonMatches {
  const wanted = words.toLowerCase();
  const paths: string[] = [];
  const open = new Set<string>();
  const limits = new Map<string, number>();
  let seen = 0;
  const walk = (item: Json, path: string, key: string | number | null, parents: [string, number][]): boolean => {
    seen += 1;
    if (seen > SEARCHED || paths.length >= FOUND) return false;
    if (matches(item, key, wanted)) {
      paths.push(path);
      for (const [parent, index] of parents) {
        open.add(parent);
        if (index >= (limits.get(parent) ?? PAGE)) limits.set(parent, index + 1);
      }
    }
    if (parents.length >= SEARCHED_DEPTH) return true;
    return entriesOf(item).every(([name, below], index) =>
      walk(below, pathBelow(path, name), name, [...parents, [path, index]]),
    );
  };
  const finished = walk(value, root, null, []);
  return { paths, cut: !finished, open, limits };
}

function matches(item: Json, key: string | number | null, wanted: string): boolean {
  if (typeof key === "string" && key.toLowerCase().includes(wanted)) return true;
  return !isContainer(item) && String(item).toLowerCase().includes(wanted);
}
