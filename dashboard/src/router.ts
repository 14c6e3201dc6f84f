import { computed, type ReadonlySignal, signal } from "@preact/signals";

/**
 * The address bar is the state of the page: path = screen, query = everything that a person may want to share.
 * The dashboard may be mounted anywhere; `<base href>` says where.
 */
export const base = new URL(document.baseURI).pathname.replace(/\/*$/, "/");

interface Place {
  path: string;
  query: URLSearchParams;
}

export const QUEUE_TABS = ["jobs", "failures", "schedules", "workers", "metrics"] as const;
export type QueueTab = (typeof QUEUE_TABS)[number];

export type Route =
  | {
      screen:
        | "overview"
        | "queues"
        | "failures"
        | "schedules"
        | "workers"
        | "metrics"
        | "kubernetes"
        | "redis"
        | "audit"
        | "not-found";
    }
  | { screen: "queue"; queue: string; tab: QueueTab }
  | { screen: "job" | "flow"; queue: string; id: string };

export type ScreenName = Route["screen"];

const place = signal<Place>(read());

export const path: ReadonlySignal<string> = computed(() => place.value.path);
export const route: ReadonlySignal<Route> = computed(() => match(path.value));

function read(): Place {
  const { pathname, search } = window.location;
  const inside = pathname.startsWith(base) ? pathname.slice(base.length) : pathname.slice(1);
  return { path: inside.replace(/\/+$/, ""), query: new URLSearchParams(search) };
}

function match(text: string): Route {
  const parts = text === "" ? [] : text.split("/").map(unescape);
  const [first, queue, kind, id, last] = parts;
  if (parts.length === 0) return { screen: "overview" };
  if (parts.length === 1) return plainScreen(first ?? "");
  if (first !== "queues" || queue === undefined) return { screen: "not-found" };
  if (kind === undefined) return { screen: "queue", queue, tab: "jobs" };
  if (id === undefined) return isTab(kind) ? { screen: "queue", queue, tab: kind } : { screen: "not-found" };
  if (kind !== "jobs") return { screen: "not-found" };
  if (last === undefined) return { screen: "job", queue, id };
  return last === "flow" ? { screen: "flow", queue, id } : { screen: "not-found" };
}

const PLAIN = ["queues", "failures", "schedules", "workers", "kubernetes", "redis", "audit"] as const;

/** `metrics` itself is the server's address for Prometheus, so the screen has another. */
const METRICS_PATH = "performance";

function plainScreen(name: string): Route {
  if (name === METRICS_PATH) return { screen: "metrics" };
  const screen = PLAIN.find((known) => known === name);
  return { screen: screen ?? "not-found" };
}

function isTab(text: string): text is QueueTab {
  return (QUEUE_TABS as readonly string[]).includes(text);
}

function unescape(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

type Query = Record<string, string | number | null | undefined>;

/** The address of a screen, to be used as `href`. Empty values are left out of the query. */
export function href(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return base + path + (text ? `?${text}` : "");
}

export const to = {
  overview: () => href(""),
  queues: (query?: Query) => href("queues", query),
  queue: (queue: string, tab: QueueTab = "jobs", query?: Query) =>
    href(`queues/${encodeURIComponent(queue)}${tab === "jobs" ? "" : `/${tab}`}`, query),
  jobs: (queue: string, query?: { state?: string | null; search?: string | null; order?: string; cursor?: string }) =>
    href(`queues/${encodeURIComponent(queue)}`, query),
  job: (queue: string, id: string, query?: Query) =>
    href(`queues/${encodeURIComponent(queue)}/jobs/${encodeURIComponent(id)}`, query),
  flow: (queue: string, id: string, query?: Query) =>
    href(`queues/${encodeURIComponent(queue)}/jobs/${encodeURIComponent(id)}/flow`, query),
  failures: (query?: Query) => href("failures", query),
  schedules: (query?: Query) => href("schedules", query),
  workers: (query?: Query) => href("workers", query),
  metrics: (query?: Query) => href(METRICS_PATH, query),
  kubernetes: () => href("kubernetes"),
  redis: () => href("redis"),
  audit: (query?: Query) => href("audit", query),
};

/** Go to an address made by `to` or `href`. */
export function navigate(address: string, { replace = false } = {}): void {
  if (address === window.location.pathname + window.location.search) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const before = place.value.path;
  place.value = read();
  if (place.value.path !== before && !replace) window.scrollTo(0, 0);
}

/** One value of the query, as a signal: `query("state").value` is null where it is absent. */
export function query(name: string): ReadonlySignal<string | null> {
  let known = queries.get(name);
  if (!known) {
    known = computed(() => place.value.query.get(name));
    queries.set(name, known);
  }
  return known;
}

const queries = new Map<string, ReadonlySignal<string | null>>();

/** Change some values of the query and keep the others; null takes one out. */
export function setQuery(changes: Query, options: { replace?: boolean } = {}): void {
  const params = Object.fromEntries(place.value.query);
  navigate(href(place.value.path, { ...params, ...changes }), options);
}

/** Let links inside the dashboard change the address without loading the page again. */
export function startRouter(): void {
  window.addEventListener("popstate", () => {
    place.value = read();
  });
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (!link.pathname.startsWith(base) || isServed(link.pathname.slice(base.length))) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}

/** Addresses below the base that are the server's, not screens. */
function isServed(path: string): boolean {
  return /^(api|health|assets)\/|^(api|metrics|docs|openapi\.json|licenses\.txt)$/.test(path);
}
