import { useMemo } from "preact/hooks";
import type { Point } from "../api/types";
import { minute } from "../clock";
import { formatNumber } from "../format";

const MINUTES = 60;
const WIDTH = 96;
const HEIGHT = 26;
const BAR = WIDTH / MINUTES;
const GAP = 0.4;
const LOWEST = 1.5;

interface Counts {
  completed: number;
  failed: number;
}

/** The last hour by minute: completed below, failed on top of it. */
export function Sparkline({ points, label }: { points: readonly Point[]; label: string }) {
  const until = minute.value;
  return useMemo(() => <Bars minutes={byMinute(points, until)} label={label} />, [points, until, label]);
}

function Bars({ minutes, label }: { minutes: readonly Counts[]; label: string }) {
  const highest = Math.max(1, ...minutes.map(({ completed, failed }) => completed + failed));
  const height = (count: number) => (count === 0 ? 0 : Math.max(LOWEST, (count / highest) * (HEIGHT - 1)));
  const good = minutes.map(({ completed }, index) => bar(index, HEIGHT, height(completed)));
  const bad = minutes.map(({ completed, failed }, index) => bar(index, HEIGHT - height(completed), height(failed)));
  const text = `${label}: ${formatNumber(sum(minutes, "completed"))} completed and ${formatNumber(sum(minutes, "failed"))} failed in the last hour`;
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={text}
    >
      <title>{text}</title>
      <path class="spark-floor" d={`M0 ${HEIGHT - 1}h${WIDTH}v1h-${WIDTH}z`} />
      <path class="spark-completed" d={good.join("")} />
      <path class="spark-failed" d={bad.join("")} />
    </svg>
  );
}

/** A bar of the minute that stands on `floor`. */
function bar(index: number, floor: number, height: number): string {
  if (height === 0) return "";
  const width = BAR - GAP;
  const top = Math.max(0, floor - height);
  return `M${(index * BAR).toFixed(1)} ${top.toFixed(1)}h${width}V${floor.toFixed(1)}h-${width}z`;
}

function sum(minutes: readonly Counts[], member: keyof Counts): number {
  return minutes.reduce((total, counts) => total + counts[member], 0);
}

function byMinute(points: readonly Point[], until: number): Counts[] {
  const minutes = Array.from({ length: MINUTES }, () => ({ completed: 0, failed: 0 }));
  const last = Math.floor(until / 60_000);
  for (const point of points) {
    const counts = minutes[MINUTES - 1 - (last - Math.floor(Date.parse(point.at) / 60_000))];
    if (!counts) continue;
    counts.completed += point.completed;
    counts.failed += point.failed;
  }
  return minutes;
}
