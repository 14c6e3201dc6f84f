/** Lay out how many jobs took how long, and when: rows of times, the longest at the top, and columns of minutes. */

import type { HeatMap } from "../../api/types";
import { formatDuration } from "../../format.ts";

export interface HeatCell {
  column: number;
  count: number;
  /** How strong it is shown, from 0 to 1: by the number's size, for a few slow jobs matter as well. */
  strength: number;
}

export interface HeatRow {
  label: string;
  total: number;
  cells: HeatCell[];
}

export interface HeatLayout {
  rows: HeatRow[];
  /** How many columns there are, filled or not, and when each begins, in seconds since 1970. */
  times: number[];
  total: number;
}

/** Lay the map out over the time asked for, up to now; rows that nothing fell into are left out at either end. */
export function heatLayout(map: HeatMap, which: "run" | "wait", minutes: number, now: number): HeatLayout {
  const count = Math.ceil((minutes * 60) / map.step);
  const first = Math.floor(now / 1000 / map.step) - count + 1;
  const rows = map.bounds.map((bound, index): HeatRow => ({ label: label(map.bounds[index - 1], bound), total: 0, cells: [] }));
  for (const column of map.columns) {
    const at = Date.parse(column.at) / 1000 / map.step - first;
    column[which].forEach((jobs, row) => {
      if (jobs === 0 || at < 0) return;
      rows[row]!.total += jobs;
      rows[row]!.cells.push({ column: at, count: jobs, strength: 0 });
    });
  }
  const most = Math.max(1, ...rows.flatMap(({ cells }) => cells.map((cell) => cell.count)));
  for (const cell of rows.flatMap(({ cells }) => cells)) cell.strength = 0.15 + 0.85 * (Math.log1p(cell.count) / Math.log1p(most));
  return {
    rows: filled(rows).reverse(),
    times: Array.from({ length: count }, (_nothing, index) => (first + index) * map.step),
    total: rows.reduce((sum, { total }) => sum + total, 0),
  };
}

function filled(rows: HeatRow[]): HeatRow[] {
  const first = rows.findIndex(({ total }) => total > 0);
  const last = rows.findLastIndex(({ total }) => total > 0);
  return first < 0 ? [] : rows.slice(first, last + 1);
}

/** A row holds times up to its bound, and longer ones than those of the row before. */
function label(before: number | undefined, bound: number): string {
  return bound < 0.0015 || before === undefined ? `≤ ${formatDuration(bound)}` : `${formatDuration(before + 0.001)} +`;
}
