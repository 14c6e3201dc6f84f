import { Copy, ScanSearch } from "lucide";
import { useState } from "preact/hooks";

import type { Job } from "../../api/types";
import { copyText } from "../../clipboard";
import { Button, LinkButton } from "../../components/button";
import { Choices } from "../../components/choices";
import { Card } from "../../components/page";
import { formatNumber, plural } from "../../format";
import { to } from "../../router";
import { Stack } from "./stack";

/** Why the job failed: the reason, and the trace of each attempt. */
export function Failure({ job }: { job: Job }) {
  const traces = job.stacktrace;
  const [chosen, setChosen] = useState<number | null>(null);
  const at = chosen !== null && chosen < traces.length ? chosen : traces.length - 1;
  const trace = traces[at];
  if (!job.failed_reason && !trace) return null;
  return (
    <Card
      class="failure"
      title={job.state === "failed" ? "Error" : "Error of an earlier attempt"}
      actions={
        <>
          {similar(job)}
          {trace && <Button small kind="quiet" icon={Copy} onClick={() => void copyText(trace, "the trace")}>Copy</Button>}
        </>
      }
    >
      {job.failed_reason && <p class="failure-reason">{job.failed_reason}</p>}
      {traces.length > 1 && (
        <Choices
          label="Attempt"
          options={traces.map((_trace, index) => ({ value: index, label: `Attempt ${formatNumber(firstAttempt(job) + index)}` }))}
          value={at}
          onChange={setChosen}
        />
      )}
      {trace && <Stack key={at} trace={trace} label="Stack trace" />}
    </Card>
  );
}

/** A job may keep fewer traces than it made attempts: the oldest are dropped. */
function firstAttempt(job: Job): number {
  return Math.max(1, job.attempts_made - job.stacktrace.length + 1);
}

function similar(job: Job) {
  if (!job.similar_failures || !job.fingerprint) return null;
  return (
    <LinkButton small kind="quiet" icon={ScanSearch} href={to.jobs(job.queue, { state: "failed", search: `fingerprint:${job.fingerprint}` })}>
      {`${plural(job.similar_failures, "similar failure")}`}
    </LinkButton>
  );
}
