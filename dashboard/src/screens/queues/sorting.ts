import type { QueueSummary } from "../../api/types";
import { unfinished } from "../../states";

export type QueueOrder = "name" | "urgency" | "unfinished" | "failed" | "latency";

type Compare = (a: QueueSummary, b: QueueSummary) => number;

export const byName: Compare = (a, b) => a.name.localeCompare(b.name);

/** Queues that fail, wait long or work come first; idle ones by name at the end. */
export const byUrgency: Compare = (a, b) => urgency(b) - urgency(a) || byName(a, b);

export const COMPARE: Record<QueueOrder, Compare> = {
  name: byName,
  urgency: byUrgency,
  unfinished: (a, b) => unfinished(b.counts) - unfinished(a.counts) || byName(a, b),
  failed: (a, b) => (b.counts.failed ?? 0) - (a.counts.failed ?? 0) || byName(a, b),
  latency: (a, b) => (b.latency ?? -1) - (a.latency ?? -1) || byName(a, b),
};

/** Coarse on purpose: a list whose order follows each count would move under the cursor. */
function urgency(queue: QueueSummary): number {
  if (queue.failed_per_minute >= 1) return 4;
  if ((queue.latency ?? 0) > 60) return 3;
  if (unfinished(queue.counts) > 0) return 2;
  return (queue.counts.failed ?? 0) > 0 ? 1 : 0;
}
