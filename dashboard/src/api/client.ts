import { signal } from "@preact/signals";
import { parseExact, stringifyExact } from "./exact_json";
import type { Problem } from "./types";

/** What the server or the network refused, in words that can be shown as they are. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(sentence(problem));
    this.status = problem.status;
    this.problem = problem;
  }

  /** Messages by the path of the field in the body, for forms. */
  get fields(): Record<string, string> {
    return Object.fromEntries(
      (this.problem.errors ?? []).map(({ field, message }) => [field.replace(/^body\./, ""), message]),
    );
  }
}

export interface Call {
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** True once any call was answered with 401: the shell then shows the sign-in form. */
export const signedOut = signal(false);

/** The address of `path` (no leading slash) below the place where the dashboard is mounted. */
export function address(path: string, query: Call["query"] = {}): string {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** One path segment: a queue name, a job id. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}

async function send<T>(method: string, path: string, call: Call): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json", ...call.headers };
  if (method !== "GET") headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(address(path, call.query), {
      method,
      headers,
      body: method === "GET" || method === "DELETE" ? undefined : stringifyExact(call.body ?? {}),
      signal: call.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw new ApiError({ status: 0, title: "The server cannot be reached", detail: "Is oxmq web still running?" });
  }
  if (!response.ok) throw new ApiError(await readProblem(response, path));
  return (response.status === 204 ? undefined : parseExact(await response.text())) as T;
}

async function readProblem(response: Response, path: string): Promise<Problem> {
  if (response.status === 401 && path !== "api/session") signedOut.value = true;
  const fallback = { status: response.status, title: response.statusText || `HTTP ${response.status}` };
  if (!response.headers.get("content-type")?.includes("json")) return fallback;
  try {
    return { ...fallback, ...((await response.json()) as Partial<Problem>) };
  } catch {
    return fallback;
  }
}

/** The detail says more than the title; errors of fields are added where the detail does not name them. */
function sentence({ title, detail, errors }: Problem): string {
  const text = detail ?? title;
  const more = (errors ?? []).filter(({ message }) => !text.includes(message));
  return [
    text.replace(/\.$/, ""),
    ...more.map(({ field, message }) => (field ? `${field}: ${message}` : message)),
  ].join(". ");
}

export const api = {
  get: <T>(path: string, call: Call = {}) => send<T>("GET", path, call),
  post: <T>(path: string, body?: unknown, call: Call = {}) => send<T>("POST", path, { ...call, body }),
  put: <T>(path: string, body?: unknown, call: Call = {}) => send<T>("PUT", path, { ...call, body }),
  patch: <T>(path: string, body?: unknown, call: Call = {}) => send<T>("PATCH", path, { ...call, body }),
  remove: <T = void>(path: string, call: Call = {}) => send<T>("DELETE", path, call),
};

/** `api/queues/<name>` with both parts escaped; `rest` is appended as it is. */
export function queuePath(queue: string, rest = ""): string {
  return `api/queues/${segment(queue)}${rest}`;
}

export function jobPath(queue: string, id: string, rest = ""): string {
  return queuePath(queue, `/jobs/${segment(id)}${rest}`);
}
