import { useEffect, useRef, useState } from "preact/hooks";

import { address, api, type ApiError, jobPath } from "../../api/client";
import { parseExact } from "../../api/exact_json";
import { useResource } from "../../api/resource";
import type { Job, Json } from "../../api/types";

const RELOAD_AFTER = 250;
const POLL_EVERY = 3_000;

/** Log lines that came by, with the number of the first one. */
export interface NewLines {
  readonly from: number;
  readonly lines: readonly string[];
}

export interface LiveJob {
  job: Job | undefined;
  error: ApiError | undefined;
  reload: () => void;
  put: (job: Job) => void;
  /** Be told of log lines as they are written; returns how to stop. */
  onLines: (listener: (lines: NewLines) => void) => () => void;
}

/** Load a job and keep it up to date through its own event stream, or by asking again where that does not work. */
export function useLiveJob(queue: string, id: string): LiveJob {
  const { data, error, reload, put } = useResource((signal) => api.get<Job>(jobPath(queue, id), { signal }), [queue, id]);
  const [progress, setProgress] = useState<{ of: Job; value: Json } | null>(null);
  const listeners = useRef(new Set<(lines: NewLines) => void>());
  const job = useRef(data);
  job.current = data;
  const ended = data === undefined || isEnded(data);

  useEffect(() => {
    if (ended) return;
    return follow(queue, id, {
      state: (state) => state !== job.current?.state && reload(),
      changed: reload,
      progress: (value) => job.current && setProgress({ of: job.current, value }),
      lines: (lines) => listeners.current.forEach((listener) => listener(lines)),
    });
  }, [queue, id, ended, reload]);

  const onLines = useRef((listener: (lines: NewLines) => void) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  });
  const shown = data && progress?.of === data ? { ...data, progress: progress.value } : data;
  return { job: shown, error, reload, put, onLines: onLines.current };
}

export function isEnded({ state }: Job): boolean {
  return state === "completed" || state === "failed";
}

interface Heard {
  state: (state: string) => void;
  changed: () => void;
  progress: (value: Json) => void;
  lines: (lines: NewLines) => void;
}

/** Follow a job while the page is visible. What happened while it was not is asked for on return. */
function follow(queue: string, id: string, heard: Heard): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  const changed = () => {
    clearTimeout(timer);
    timer = window.setTimeout(heard.changed, RELOAD_AFTER);
  };
  const poll = () => {
    if (!document.hidden) heard.changed();
    timer = window.setTimeout(poll, POLL_EVERY);
  };
  const open = () => {
    source?.close();
    clearTimeout(timer);
    if (document.hidden) return;
    const stream = new EventSource(address(jobPath(queue, id, "/events")));
    source = stream;
    stream.addEventListener("state", (event) => heard.state((read(event) as { state: string }).state));
    stream.addEventListener("progress", (event) => heard.progress((read(event) as { progress: Json }).progress));
    stream.addEventListener("log", (event) => heard.lines(read(event) as NewLines));
    stream.addEventListener("end", () => {
      stream.close();
      changed();
    });
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) poll();
    };
  };
  const seen = () => {
    if (!document.hidden) heard.changed();
    open();
  };
  open();
  document.addEventListener("visibilitychange", seen);
  return () => {
    document.removeEventListener("visibilitychange", seen);
    source?.close();
    clearTimeout(timer);
  };
}

function read(event: Event): unknown {
  return parseExact((event as MessageEvent<string>).data);
}
