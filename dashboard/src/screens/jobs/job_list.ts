import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, type ApiError, queuePath } from "../../api/client";
import { useLiveQueue } from "../../api/live";
import type { JobPage, JobRow, JobState } from "../../api/types";
import { type Content, merged } from "./merging";

export interface ListAddress {
  queue: string;
  state: JobState;
  search: string;
  order: "newest" | "oldest";
  cursor: string | null;
}

export interface JobList extends Content {
  error: ApiError | undefined;
  /** Under way: the first read, or a search that goes on. */
  running: boolean;
  stop: () => void;
  reload: () => void;
}

/** How many jobs a page holds. */
export const PAGE = 50;
const LOOK_AGAIN_AFTER = 3_000;
const NOTHING: Content = { rows: [], gone: new Set(), newer: 0, next: null, total: 0, scanned: 0, at: null };

/**
 * One page of a jobs list. A search goes on request by request until the page is full, the list ends or it is
 * stopped. Afterwards rows change in place as jobs do; none is added or moved until the list is read again.
 */
export function useJobList(address: ListAddress): JobList {
  const key = JSON.stringify(address);
  const [shown, setShown] = useState<{ key: string; content: Content }>({ key, content: NOTHING });
  const [running, setRunning] = useState(true);
  const [error, setError] = useState<ApiError>();
  const control = useRef<AbortController | null>(null);
  const live = useLiveQueue(address.queue).value;

  const reload = useCallback(() => {
    control.current?.abort();
    const controller = new AbortController();
    control.current = controller;
    setRunning(true);
    setError(undefined);
    const show = (content: Content) => controller.signal.aborted || setShown({ key, content });
    readPage(address, controller.signal, show)
      .catch((problem: ApiError) => controller.signal.aborted || setError(problem))
      .finally(() => controller.signal.aborted || setRunning(false));
  }, [key]);

  const stop = useCallback(() => {
    control.current?.abort();
    setRunning(false);
  }, []);

  useEffect(() => {
    reload();
    return () => control.current?.abort();
  }, [reload]);

  const content = shown.key === key ? shown.content : NOTHING;
  const steady = !running && !error && address.search === "" && address.cursor === null;
  useChanges(steady ? key : null, live && `${live.last_event} ${live.counts[address.state]}`, async () => {
    const signal = control.current?.signal;
    const fresh = await getPage(address, null, signal);
    if (signal?.aborted) return;
    setShown((old) => (old.key === key ? { key, content: merged(old.content, fresh) } : old));
  });

  return { ...content, running, error, stop, reload };
}

async function readPage(address: ListAddress, signal: AbortSignal, show: (content: Content) => void): Promise<void> {
  let rows: JobRow[] = [];
  let scanned = 0;
  let { cursor } = address;
  do {
    const page = await getPage(address, cursor, signal, PAGE - rows.length);
    rows = [...rows, ...page.jobs];
    scanned += page.scanned;
    cursor = page.cursor;
    show({ rows, scanned, next: cursor, total: page.total, at: page.at, gone: new Set(), newer: 0 });
  } while (address.search && cursor !== null && rows.length < PAGE && !signal.aborted);
}

function getPage(
  { queue, state, search, order }: ListAddress,
  cursor: string | null,
  signal?: AbortSignal,
  limit = PAGE,
): Promise<JobPage> {
  return api.get<JobPage>(queuePath(queue, "/jobs"), { query: { state, search, order, cursor, limit }, signal });
}

/** Call `look` after `version` changed, at most every few seconds. Begins anew with another `key`; null: not at all. */
function useChanges(key: string | null, version: string | undefined, look: () => Promise<void>): void {
  const seen = useRef<string | undefined>(undefined);
  const timer = useRef(0);
  const latest = useRef(look);
  latest.current = look;
  useEffect(() => {
    seen.current = undefined;
    return () => {
      clearTimeout(timer.current);
      timer.current = 0;
    };
  }, [key]);
  useEffect(() => {
    const changed = seen.current !== undefined && version !== seen.current;
    seen.current = version;
    if (key === null || !changed || timer.current) return;
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      latest.current().catch(() => undefined); // the list stays as it was; the live mark tells of the trouble
    }, LOOK_AGAIN_AFTER);
  }, [key, version]);
}
