import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { now } from "../clock";
import { address, api, type ApiError, queuePath } from "./client";
import { mergePatch } from "./merge_patch";
import { withNulls } from "./nulls";
import { useResource } from "./resource";
import type { Overview, Queue, ScheduleList, WorkerList, Workers } from "./types";

/**
 * One event stream for the whole page. Screens say which topics they show; values arrive whole and are then
 * patched. Where the stream does not work, the same values are polled. A hidden page asks for nothing.
 */
export type LiveStatus = "connecting" | "live" | "stale" | "polling" | "paused" | "offline";

const POLL_EVERY = 5_000;
const RETRY_STREAM_EVERY = 30_000;
const REOPEN_AFTER = 50;
/** The overview, which the shell always follows, brings news every few seconds as long as Redis answers. */
const STALE_AFTER = 20_000;

interface Topic {
  value: Signal<unknown>;
  watchers: number;
}

const topics = new Map<string, Topic>();
const statusSignal = signal<LiveStatus>("connecting");
let heardAt = 0;

export const liveStatus: ReadonlySignal<LiveStatus> = computed(() => {
  const late = now.value - heardAt > STALE_AFTER;
  return statusSignal.value === "live" && late ? "stale" : statusSignal.value;
});

let source: EventSource | null = null;
let opened = "";
let reopenTimer = 0;
let pollTimer = 0;
let retryAt = 0;

export function useOverview(): ReadonlySignal<Overview | undefined> {
  return useTopic<Overview>("overview");
}

/** The overview for a screen that is nothing without it: also says why there is none. */
export function useOverviewOrError(): {
  overview: Overview | undefined;
  error: ApiError | undefined;
  retry: () => void;
} {
  const first = useResource((signal) => api.get<Overview>("api/overview", { signal }), []);
  const live = useOverview().value;
  return { overview: live ?? first.data, error: first.error, retry: first.reload };
}

/** Live values of one queue. `spark` is not part of them. */
export function useLiveQueue(name: string): ReadonlySignal<Queue | undefined> {
  return useTopic<Queue>(`queue:${name}`);
}

export function useLiveWorkers(): ReadonlySignal<Workers | undefined> {
  return useTopic<Workers>("workers");
}

export function useTopic<T>(name: string): ReadonlySignal<T | undefined> {
  const topic = topicNamed(name);
  useEffect(() => {
    topic.watchers += 1;
    reopenSoon();
    return () => {
      topic.watchers -= 1;
      reopenSoon();
    };
  }, [name]);
  return topic.value as ReadonlySignal<T | undefined>;
}

function topicNamed(name: string): Topic {
  let topic = topics.get(name);
  if (!topic) {
    topic = { value: signal(undefined), watchers: 0 };
    topics.set(name, topic);
  }
  return topic;
}

function watched(): string[] {
  return [...topics]
    .filter(([, topic]) => topic.watchers > 0)
    .map(([name]) => name)
    .sort();
}

function reopenSoon(): void {
  clearTimeout(reopenTimer);
  reopenTimer = window.setTimeout(reopen, REOPEN_AFTER);
}

/** Make the stream fit what the page shows. A stream that fits is left alone. */
function reopen(): void {
  const names = watched();
  const wanted = document.hidden ? "" : names.map(encodeURIComponent).join(",");
  if (source && wanted === opened && source.readyState !== EventSource.CLOSED) return;
  close();
  if (document.hidden) statusSignal.value = "paused";
  if (!wanted) return;
  forgetUnwatched();
  if (Date.now() < retryAt) return void poll();
  open(names, wanted);
}

function open(names: string[], wanted: string): void {
  if (statusSignal.value !== "live") statusSignal.value = "connecting";
  opened = wanted;
  const stream = new EventSource(address("api/events", { topics: names.join(",") }));
  source = stream;
  stream.onopen = () => {
    heardAt = Date.now();
    statusSignal.value = "live";
    retryAt = 0;
  };
  stream.onerror = () => failed(stream);
  for (const name of names) {
    stream.addEventListener(name, (event) => receive(name, event.data as string));
  }
}

function close(): void {
  source?.close();
  source = null;
  opened = "";
  clearTimeout(pollTimer);
}

/** The browser reconnects by itself; only a stream that it gave up is replaced by polling. */
function failed(stream: EventSource): void {
  if (stream !== source) return;
  if (stream.readyState !== EventSource.CLOSED) {
    statusSignal.value = "connecting";
    return;
  }
  close();
  retryAt = Date.now() + RETRY_STREAM_EVERY;
  void poll();
}

function receive(name: string, text: string): void {
  const message = JSON.parse(text) as { kind: "full" | "patch"; value: unknown };
  const topic = topicNamed(name);
  heardAt = Date.now();
  const value = message.kind === "full" ? message.value : mergePatch(topic.value.value, message.value);
  topic.value.value = withNulls(name, value);
}

async function poll(): Promise<void> {
  clearTimeout(pollTimer);
  const results = await Promise.allSettled(watched().map(pollTopic));
  if (source || document.hidden) return;
  const reached = results.some(({ status }) => status === "fulfilled");
  statusSignal.value = reached || results.length === 0 ? "polling" : "offline";
  pollTimer = window.setTimeout(reopen, POLL_EVERY);
}

async function pollTopic(name: string): Promise<void> {
  const value = await readTopic(name);
  if (value !== undefined) topicNamed(name).value.value = value;
}

async function readTopic(name: string): Promise<unknown> {
  if (name === "overview") return api.get<Overview>("api/overview");
  if (name === "schedules") return api.get<ScheduleList>("api/schedules");
  if (name.startsWith("queue:")) return api.get<Queue>(queuePath(name.slice("queue:".length)));
  if (name === "workers") {
    const { workers } = await api.get<WorkerList>("api/workers");
    return { workers: Object.fromEntries(workers.map((worker) => [worker.id, worker])) } satisfies Workers;
  }
  return undefined;
}

/**
 * Values that nobody shows grow stale: drop them, so that a later screen starts with fresh ones. The topics stay: a
 * screen that is being drawn holds its topic before it counts as a watcher.
 */
function forgetUnwatched(): void {
  for (const topic of topics.values()) {
    if (topic.watchers === 0) topic.value.value = undefined;
  }
}

document.addEventListener("visibilitychange", reopenSoon);
window.addEventListener("online", reopenSoon);
