/** Lay the recorded minutes on an even time line, so that gaps are gaps and quiet minutes are zero. */

import type { MetricsPoint, Percentiles, Seconds } from "../../api/types";

const MINUTE = 60_000;

export const RANGES = [
  { value: 60, label: "1 h", words: "the last hour", bucket: 1 },
  { value: 360, label: "6 h", words: "the last 6 hours", bucket: 2 },
  { value: 1440, label: "24 h", words: "the last 24 hours", bucket: 10 },
] as const;

export type Range = (typeof RANGES)[number];

/** Some minutes together. Counts are per minute. */
export interface Slot {
  time: number;
  completed: number;
  failed: number;
  waiting: number | null;
  active: number | null;
  run: Percentiles;
  wait: Percentiles;
}

export function slotsOf(points: readonly MetricsPoint[], range: Range, now: number): Slot[] {
  const { value: minutes, bucket } = range;
  const size = bucket * MINUTE;
  const last = Math.floor(now / size);
  const count = minutes / bucket;
  const buckets: MetricsPoint[][] = Array.from({ length: count }, () => []);
  for (const point of points) {
    const at = count - 1 - (last - Math.floor(Date.parse(point.at) / size));
    buckets[at]?.push(point);
  }
  return buckets.map((inside, index) => slot(inside, ((last - count + 1 + index) * size) / 1000, bucket));
}

function slot(points: readonly MetricsPoint[], time: number, bucket: number): Slot {
  const sum = (of: (point: MetricsPoint) => number) => points.reduce((total, point) => total + of(point), 0);
  const latest = points[points.length - 1];
  return {
    time,
    completed: sum(({ completed }) => completed) / bucket,
    failed: sum(({ failed }) => failed) / bucket,
    waiting: latest?.waiting ?? null,
    active: latest?.active ?? null,
    run: {
      p50: weighted(points, ({ run_p50 }) => run_p50),
      p95: weighted(points, ({ run_p95 }) => run_p95),
      p99: weighted(points, ({ run_p99 }) => run_p99),
    },
    wait: {
      p50: weighted(points, ({ wait_p50 }) => wait_p50),
      p95: weighted(points, ({ wait_p95 }) => wait_p95),
      p99: weighted(points, ({ wait_p99 }) => wait_p99),
    },
  };
}

/** The mean over the minutes, each as heavy as the number of jobs behind it. */
function weighted(points: readonly MetricsPoint[], of: (point: MetricsPoint) => Seconds | null): number | null {
  let [total, weight] = [0, 0];
  for (const point of points) {
    const value = of(point);
    if (value == null) continue;
    total += value * Math.max(1, point.sampled);
    weight += Math.max(1, point.sampled);
  }
  return weight > 0 ? total / weight : null;
}
