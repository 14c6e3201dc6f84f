/** Draw a chart on a canvas with uPlot. Loaded on demand, for it is the largest part of the charts. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { ChartSpec } from "./chart";

export interface Plot {
  /** Show other values; the same number of series in the same order. */
  update(spec: ChartSpec): void;
  destroy(): void;
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const MIN_TICKS_APART = 64;
const BRIDGED = 6;

export function draw(target: HTMLElement, spec: ChartSpec, onHover: (index: number | null) => void): Plot {
  const plot = new uPlot(options(target, spec, onHover), aligned(spec), target);
  const resized = new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: spec.height }));
  resized.observe(target);
  return {
    update: (next) => plot.setData(aligned(next)),
    destroy: () => {
      resized.disconnect();
      plot.destroy();
    },
  };
}

function options(target: HTMLElement, spec: ChartSpec, onHover: (index: number | null) => void): uPlot.Options {
  const color = (name: string) => resolved(target, name);
  const muted = color("--text-3");
  const grid = { stroke: color("--chart-grid"), width: 1 };
  return {
    width: Math.max(160, target.clientWidth),
    height: spec.height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "oxmq" }, drag: { x: false, y: false }, points: { size: 7 }, y: false },
    scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, headroom(max)] } },
    axes: [
      { stroke: muted, font: FONT, grid: { show: false }, ticks: { show: false }, size: 26, space: MIN_TICKS_APART, values: clockTicks },
      {
        stroke: muted, font: FONT, grid, ticks: { show: false }, size: widthOf, space: 36,
        values: (_plot, ticks) => ticks.map((tick) => spec.format(tick)),
      },
    ],
    series: [{}, ...spec.series.map((series) => line(series.color, color, spec))],
    bands: spec.kind === "stacked" ? spec.series.slice(1).map((_series, index) => ({ series: [index + 2, index + 1] })) : [],
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
  };
}

function line(name: string, color: (name: string) => string, spec: ChartSpec): uPlot.Series {
  const stroke = color(name);
  const stacked = spec.kind === "stacked";
  return {
    stroke,
    width: 1.5,
    gaps: longGaps,
    ...(stacked ? { fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.32)") } : {}),
    points: { show: !stacked, size: 4, filter: lonely },
  };
}

/** Return how wide the labels of an axis are. */
function widthOf(_plot: uPlot, labels: string[] | null): number {
  return 16 + Math.max(20, ...(labels ?? []).map((label) => label.length * 6.2));
}

/** A minute in which nothing was recorded does not cut a line; several do. */
function longGaps(plot: uPlot, _series: number, _from: number, _to: number, gaps: uPlot.Series.Gaps): uPlot.Series.Gaps {
  const apart = plot.bbox.width / Math.max(1, plot.data[0].length);
  return gaps.filter(([start, end]) => end - start > apart * BRIDGED);
}

/** Return the values that no line reaches, having none before and none after: only these are drawn as points. */
function lonely(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const isGap = (index: number) => values[index] == null;
  return [...values.keys()].filter((index) => !isGap(index) && isGap(index - 1) && isGap(index + 1));
}

/** Return the columns uPlot wants; stacked series are sums of those below them. */
function aligned(spec: ChartSpec): uPlot.AlignedData {
  if (spec.kind !== "stacked") return [spec.times, ...spec.series.map(({ values }) => values)] as uPlot.AlignedData;
  const sums = spec.times.map(() => 0);
  const layers = spec.series.map(({ values }) => values.map((value, index) => (sums[index] = (sums[index] ?? 0) + (value ?? 0))));
  return [spec.times, ...layers] as uPlot.AlignedData;
}

function headroom(max: number | null): number {
  return max && max > 0 ? max * 1.08 : 1;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

function clockTicks(_plot: uPlot, ticks: number[]): string[] {
  return ticks.map((tick) => clock.format(tick * 1000));
}

/** Return the colour that a custom property stands for here and now; a canvas knows neither `var` nor `light-dark`. */
function resolved(target: HTMLElement, name: string): string {
  const probe = target.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
