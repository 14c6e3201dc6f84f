/** How many jobs took how long, and when, as a map of cells with the sums of its rows beside it. */

import { useMemo } from "preact/hooks";

import type { HeatMap } from "../../api/types";
import "../../styles/chart.css";
import { formatClock, formatNumber, formatPercent, plural } from "../../format";
import { heatLayout, type HeatLayout, type HeatRow } from "./heat";
import type { Range } from "./series";

interface Props {
  title: string;
  /** "ran", "waited". */
  verb: string;
  map: HeatMap;
  which: "run" | "wait";
  range: Range;
}

export function Heat({ title, verb, map, which, range }: Props) {
  const layout = useMemo(() => heatLayout(map, which, range.value, Date.now()), [map, which, range.value]);
  const common = layout.rows.reduce<HeatRow | null>((best, row) => (best && best.total >= row.total ? best : row), null);
  const summary = common
    ? `${plural(layout.total, "job")} in ${range.words}; the most frequent row is ${common.label}, with ${formatPercent(common.total, layout.total)}.`
    : `No job ${verb} in ${range.words}.`;
  return (
    <figure class="chart card">
      <figcaption class="chart-head"><h2>{title}</h2></figcaption>
      <p class="chart-summary">{summary}</p>
      {common ? <Cells layout={layout} label={`${title}. ${summary}`} most={common.total} /> : <p class="chart-empty">Nothing was counted in this time.</p>}
      {common && <Sums layout={layout} title={title} />}
    </figure>
  );
}

function Cells({ layout, label, most }: { layout: HeatLayout; label: string; most: number }) {
  const { rows, times } = layout;
  return (
    <div class="heat" role="img" aria-label={label}>
      {rows.map((row) => (
        <div key={row.label} class="heat-row">
          <span class="heat-label number">{row.label}</span>
          <svg class="heat-cells" viewBox={`0 0 ${times.length} 1`} preserveAspectRatio="none">
            {row.cells.map(({ column, count, strength }) => (
              <rect key={column} x={column} y={0} width={1} height={1} fill-opacity={strength.toFixed(2)}>
                <title>{`${clock(times[column])}, ${row.label}: ${plural(count, "job")}`}</title>
              </rect>
            ))}
          </svg>
          <span class="heat-sum"><span style={{ width: `${(row.total / most) * 100}%` }} /></span>
        </div>
      ))}
      <div class="heat-row heat-times">
        <span />
        <span class="row"><span>{clock(times[0])}</span><span class="grow" /><span>{clock(times[times.length - 1])}</span></span>
        <span />
      </div>
    </div>
  );
}

/** The histogram in numbers. */
function Sums({ layout, title }: { layout: HeatLayout; title: string }) {
  return (
    <details class="chart-numbers">
      <summary>Numbers</summary>
      <div class="chart-scroll" tabIndex={0} role="region" aria-label={`${title}: numbers`}>
        <table class="numbers">
          <thead><tr><th scope="col">Time</th><th scope="col">Jobs</th><th scope="col">Share</th></tr></thead>
          <tbody>
            {layout.rows.map(({ label, total }) => (
              <tr key={label}><th scope="row">{label}</th><td>{formatNumber(total)}</td><td>{formatPercent(total, layout.total)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function clock(seconds: number | undefined): string {
  return formatClock(seconds === undefined ? null : new Date(seconds * 1000).toISOString());
}
