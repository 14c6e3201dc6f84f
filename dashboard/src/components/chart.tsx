/** A chart with a legend, a sentence for those who cannot see it, and its numbers as a table. */

import { useEffect, useRef, useState } from "preact/hooks";

import "../styles/chart.css";
import type { Plot } from "./chart_plot";

export interface ChartSeries {
  label: string;
  /** The CSS custom property that holds its colour. */
  color: string;
  values: readonly (number | null)[];
}

export interface ChartSpec {
  /** Seconds since 1970, rising. */
  times: readonly number[];
  series: readonly ChartSeries[];
  /** Stacked series lie on each other, the first at the bottom. */
  kind: "lines" | "stacked";
  height: number;
  format: (value: number) => string;
}

export interface ChartProps extends Omit<ChartSpec, "height"> {
  title: string;
  /** What the chart says, in a sentence. */
  summary: string;
  height?: number;
  /** Shown in place of a chart without any value. */
  empty?: string;
}

export function Chart({ title, summary, height = 190, empty = "Nothing was recorded in this time.", ...rest }: ChartProps) {
  const spec: ChartSpec = { ...rest, height };
  const [hovered, setHovered] = useState<number | null>(null);
  const hasValues = spec.series.some(({ values }) => values.some((value) => value !== null && value !== 0));
  return (
    <figure class="chart card">
      <figcaption class="chart-head">
        <h2>{title}</h2>
        <Legend spec={spec} at={hovered} />
      </figcaption>
      <p class="chart-summary">{summary}</p>
      {hasValues ? <Canvas spec={spec} label={`${title}. ${summary}`} onHover={setHovered} /> : <p class="chart-empty">{empty}</p>}
      {hasValues && <Numbers spec={spec} title={title} />}
    </figure>
  );
}

function Canvas({ spec, label, onHover }: { spec: ChartSpec; label: string; onHover: (index: number | null) => void }) {
  const target = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const latest = useRef(spec);
  latest.current = spec;
  const theme = useTheme();
  const shape = `${spec.kind} ${spec.series.map(({ label: name }) => name).join("|")} ${theme}`;

  useEffect(() => {
    let gone = false;
    void import("./chart_plot").then(({ draw }) => {
      if (!gone && target.current) plot.current = draw(target.current, latest.current, onHover);
    });
    return () => {
      gone = true;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.update(spec), [spec.times, spec.series]);

  return <div class="chart-plot" role="img" aria-label={label} style={{ minHeight: `${spec.height}px` }} ref={target} />;
}

function Legend({ spec, at }: { spec: ChartSpec; at: number | null }) {
  const time = at === null ? undefined : spec.times[at];
  return (
    <div class="chart-legend">
      {time !== undefined && <time class="chart-time">{clock(time)}</time>}
      {spec.series.map(({ label, color, values }) => (
        <span key={label} class="chart-key">
          <span class="chart-swatch" style={{ background: `var(${color})` }} aria-hidden="true" />
          {label}
          {at !== null && <b>{shown(values[at], spec)}</b>}
        </span>
      ))}
    </div>
  );
}

/** The numbers behind the picture, the newest first. */
function Numbers({ spec, title }: { spec: ChartSpec; title: string }) {
  const [open, setOpen] = useState(false);
  const indexes = spec.times.map((_time, index) => index).reverse();
  return (
    <details class="chart-numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Numbers</summary>
      {open && (
        <div class="chart-scroll" tabIndex={0} role="region" aria-label={`${title}: numbers`}>
          <table class="numbers">
            <thead>
              <tr>
                <th scope="col">Time</th>
                {spec.series.map(({ label }) => <th key={label} scope="col">{label}</th>)}
              </tr>
            </thead>
            <tbody>
              {indexes.map((index) => (
                <tr key={index}>
                  <th scope="row">{clock(spec.times[index]!)}</th>
                  {spec.series.map(({ label, values }) => <td key={label}>{shown(values[index], spec)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function shown(value: number | null | undefined, spec: ChartSpec): string {
  return value === null || value === undefined ? "–" : spec.format(value);
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** Return a text that changes with the colours of the page, which a canvas must be told about. */
function useTheme(): string {
  const [theme, setTheme] = useState(themeNow);
  useEffect(() => {
    const changed = () => setTheme(themeNow());
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const switched = new MutationObserver(changed);
    switched.observe(document.documentElement, { attributes: true });
    system.addEventListener("change", changed);
    return () => {
      switched.disconnect();
      system.removeEventListener("change", changed);
    };
  }, []);
  return theme;
}

function themeNow(): string {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return `${system} ${root.dataset["theme"] ?? ""} ${root.className}`;
}
