import { Network } from "lucide";
import { useState } from "preact/hooks";

import { api, jobPath } from "../../api/client";
import { useResource } from "../../api/resource";
import type { ChildPage, Job } from "../../api/types";
import { Button, LinkButton } from "../../components/button";
import { Choices } from "../../components/choices";
import { ErrorBox, Loading } from "../../components/feedback";
import { Card } from "../../components/page";
import { StateBadge } from "../../components/state_badge";
import { formatNumber } from "../../format";
import { to } from "../../router";
import { session } from "../../session";

const KINDS = [
  { kind: "unprocessed", word: "Not finished" },
  { kind: "processed", word: "Completed" },
  { kind: "failed", word: "Failed" },
  { kind: "ignored", word: "Failed, ignored" },
] as const;

type Kind = (typeof KINDS)[number]["kind"];

/** The job's parent, its children by kind, and the way to the picture of the flow. */
export function Family({ job }: { job: Job }) {
  const kinds = KINDS.filter(({ kind }) => job.children[kind] > 0);
  const [chosen, setChosen] = useState<Kind | null>(null);
  const kind = kinds.find((known) => known.kind === chosen)?.kind ?? kinds[0]?.kind;
  if (!job.parent && kinds.length === 0) return null;
  return (
    <Card
      title="Flow"
      actions={<LinkButton small icon={Network} href={to.flow(job.queue, job.id)}>Show the flow</LinkButton>}
    >
      <div class="stack tight">
        {job.parent && (
          <p>
            <span class="quiet">Child of </span>
            <a href={isHere(job.parent.prefix) ? to.job(job.parent.queue, job.parent.id) : undefined}><code>{job.parent.id}</code> in {job.parent.queue}</a>
          </p>
        )}
        {kinds.length > 0 && (
          <Choices
            label="Children"
            options={kinds.map((known) => ({ value: known.kind, label: <>{known.word} <span class="number">{formatNumber(job.children[known.kind])}</span></> }))}
            value={kind}
            onChange={setChosen}
          />
        )}
        {kind && <Children key={kind} job={job} kind={kind} />}
      </div>
    </Card>
  );
}

function Children({ job, kind }: { job: Job; kind: Kind }) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors[cursors.length - 1] ?? null;
  const { data, error, reload, loading } = useResource(
    (signal) => api.get<ChildPage>(jobPath(job.queue, job.id, "/children"), { query: { kind, cursor }, signal }),
    [job.queue, job.id, kind, cursor, job.children[kind]],
  );
  if (error) return <ErrorBox error={error} retry={reload} />;
  if (!data) return <Loading rows={3} />;
  return (
    <>
      <ul class="children">
        {data.children.map((child) => (
          <li key={child.key}>
            <StateBadge state={child.state ?? "hidden"} />
            <a class="clip" href={isHere(child.prefix) && child.state !== "gone" ? to.job(child.queue, child.id) : undefined}>{child.name || child.id}</a>
            <code class="faint clip">{child.id}</code>
          </li>
        ))}
      </ul>
      {(cursors.length > 0 || data.cursor) && (
        <div class="row">
          <Button small kind="quiet" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>Back</Button>
          <Button small kind="quiet" busy={loading} disabled={!data.cursor} onClick={() => setCursors([...cursors, data.cursor ?? ""])}>Next</Button>
        </div>
      )}
    </>
  );
}

/** Jobs under another prefix belong to another dashboard. */
function isHere(prefix: string): boolean {
  return prefix === session.value?.prefix;
}
