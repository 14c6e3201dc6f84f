import type { Overview, Queue, QueueSummary, Worker, Workers } from "./types";

/**
 * A merge patch says "becomes null" by taking the member out. Put such members back as null, so that what comes
 * from the feed looks like what comes from the API. Values that miss nothing are returned as they are.
 */
export function withNulls(topic: string, value: unknown): unknown {
  if (topic === "overview") return overview(value as Overview);
  if (topic === "workers") return workers(value as Workers);
  return topic.startsWith("queue:") ? queue(value as Queue) : value;
}

const SUMMARY = { latency: null, workers: null } satisfies Partial<QueueSummary>;
const TOTALS = { oldest_waiting: null };
const SERVER = { max_memory: null };
const LIMITS = { concurrency: null, rate_max: null, rate_duration: null };
const WORKER = {
  name: null,
  host: null,
  pid: null,
  version: null,
  address: null,
  connected_for: null,
  started_at: null,
  slots: null,
  memory: null,
  loop_lag: null,
  last_fetch: null,
} satisfies Partial<Worker>;

function overview(value: Overview): Overview {
  return {
    ...value,
    totals: filled(value.totals, TOTALS),
    server: filled(value.server, SERVER),
    queues: mapped(value.queues, (summary) => filled(summary, SUMMARY)),
  };
}

function queue(value: Queue): Queue {
  const whole = filled(filled(value, SUMMARY), { version: null });
  return { ...whole, limits: filled(whole.limits, LIMITS) };
}

function workers(value: Workers): Workers {
  return { ...value, workers: mapped(value.workers, (worker) => filled(worker, WORKER)) };
}

function filled<T extends object>(value: T, nulls: Partial<T>): T {
  return Object.keys(nulls).every((name) => name in value) ? value : { ...nulls, ...value };
}

function mapped<T>(values: Record<string, T>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
