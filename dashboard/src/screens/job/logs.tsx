import { ArrowDownToLine, ChevronUp } from "lucide";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { api, jobPath } from "../../api/client";
import type { Job, LogPage } from "../../api/types";
import { Button } from "../../components/button";
import { Icon } from "../../components/icon";
import { Card } from "../../components/page";
import { toastError } from "../../components/toast";
import { formatNumber } from "../../format";
import { isEnded, type LiveJob } from "./live";

const PAGE = 100;
const COLOURS = /\u001b\[[0-9;]*m/g;

/** Lines in a row; `from` is the number of the first. */
interface Lines {
  from: number;
  lines: readonly string[];
}

/** The newest log lines, followed while the job runs; older ones on demand. */
export function Logs({ job, onLines }: { job: Job; onLines: LiveJob["onLines"] }) {
  const [shown, setShown] = useState<Lines | null>(null);
  const [busy, setBusy] = useState(false);
  const [follow, setFollow] = useState(!isEnded(job));
  const box = useRef<HTMLDivElement>(null);
  const kept = useRef<number | null>(null);
  const settled = useRef(false);
  const count = job.logs_count;

  const load = async (from: number, limit: number, merge: (old: Lines | null, read: Lines) => Lines) => {
    setBusy(true);
    try {
      // The server's cursor is the number of the line to begin with.
      const page = await api.get<LogPage>(jobPath(job.queue, job.id, "/logs"), { query: { cursor: String(from), limit } });
      setShown((old) => merge(old, { from, lines: page.lines }));
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  const loadNewest = () => load(Math.max(0, count - PAGE), PAGE, (_old, read) => read);
  const loadOlder = () => {
    const end = shown?.from ?? 0;
    const from = Math.max(0, end - PAGE);
    void load(from, end - from, (old, read) => {
      kept.current = box.current?.scrollHeight ?? null;
      return { from, lines: [...read.lines.slice(0, end - from), ...(old?.lines ?? [])] };
    });
  };
  useEffect(() => {
    if (count > 0 && (!shown || count > shown.from + shown.lines.length)) void loadNewest();
  }, [job.queue, job.id, count]);
  useEffect(() => onLines(({ from, lines }) => setShown((old) => joined(old, from, lines))), [onLines]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (kept.current !== null) element.scrollTop += element.scrollHeight - kept.current;
    else if (follow || !settled.current) element.scrollTop = element.scrollHeight;
    kept.current = null;
    settled.current = shown !== null;
  }, [shown, follow]);

  const lines = shown?.lines ?? [];
  return (
    <Card
      title={<>Logs <span class="tab-count number">{formatNumber(Math.max(count, (shown?.from ?? 0) + lines.length))}</span></>}
      actions={
        <button type="button" class="button quiet small-control" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          <Icon icon={ArrowDownToLine} /> Follow
        </button>
      }
    >
      {lines.length === 0 ? (
        <p class="faint">{busy && !shown ? "Loading…" : "Nothing was logged."}</p>
      ) : (
        <div
          class="logs"
          ref={box}
          tabIndex={0}
          role="log"
          aria-label="Log lines"
          aria-live={follow ? "polite" : "off"}
          onScroll={(event) => follow && !isAtEnd(event.currentTarget) && setFollow(false)}
        >
          {shown && shown.from > 0 && (
            <div class="logs-older">
              <Button small kind="quiet" busy={busy} icon={ChevronUp} onClick={loadOlder}>
                {`Older lines (${formatNumber(shown.from)})`}
              </Button>
            </div>
          )}
          {lines.map((line, index) => (
            <div key={(shown?.from ?? 0) + index} class="log-line">
              <span class="log-number number" aria-hidden="true">{(shown?.from ?? 0) + index + 1}</span>
              <span>{line.replace(COLOURS, "")}</span>
            </div>
          ))}
        </div>
      )}
    </Card>
  );
}

/** Put lines that came by where they belong; what is there already is skipped, a gap keeps the lines before it. */
function joined(old: Lines | null, from: number, lines: readonly string[]): Lines {
  if (!old) return { from, lines };
  const end = old.from + old.lines.length;
  const fresh = lines.slice(Math.max(0, end - from));
  return fresh.length === 0 || from > end ? old : { ...old, lines: [...old.lines, ...fresh] };
}

function isAtEnd(element: HTMLElement): boolean {
  return element.scrollHeight - element.scrollTop - element.clientHeight < 24;
}
