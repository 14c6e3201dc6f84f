import { Lock, ScrollText } from "lucide";

import { api } from "../../api/client";
import { useResource } from "../../api/resource";
import type { AuditEntry, AuditPage } from "../../api/types";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Card, Page } from "../../components/page";
import { Pager } from "../../components/pager";
import { type Column, Table } from "../../components/table";
import { FullTime } from "../../components/time";
import { query, setQuery, to } from "../../router";
import { refusal } from "../../session";

const REFRESH = 20;

const COLUMNS: readonly Column<AuditEntry>[] = [
  { id: "action", title: "What", main: true, cell: ({ action }) => <b class="nowrap">{action}</b> },
  { id: "user", title: "Who", cell: ({ user, role }) => <span class="nowrap">{user || <span class="faint">nobody</span>} <span class="pill">{role}</span></span> },
  { id: "queue", title: "Queue", cell: ({ queue }) => queue && <a class="nowrap" href={to.queue(queue)}>{queue}</a>, empty: ({ queue }) => !queue },
  { id: "scope", title: "Scope", cell: ({ scope }) => <code>{scope}</code>, empty: ({ scope }) => !scope },
  { id: "result", title: "Result", cell: ({ result }) => result, empty: ({ result }) => !result },
  { id: "at", title: "When", cell: ({ at }) => <span class="nowrap"><FullTime at={at} /></span> },
];

/** Every change that was made through the dashboard or the HTTP API, the newest first. */
export default function AuditScreen() {
  const reason = refusal("admin");
  return (
    <Page title="Audit log">
      {reason ? <Card><Empty icon={Lock} title="Only admins see who changed what">{reason}</Empty></Card> : <Entries />}
    </Page>
  );
}

function Entries() {
  const cursor = query("cursor").value;
  const { data, error, loading, reload } = useResource(
    (signal) => api.get<AuditPage>("api/audit", { query: { cursor }, signal }),
    [cursor],
    cursor ? {} : { every: REFRESH },
  );
  return (
    <>
      {error && <ErrorBox error={error} retry={reload} />}
      <Card flush>
        {!data && !error && <Loading rows={8} />}
        {data?.entries.length === 0 && <Empty icon={ScrollText} title="Nothing was changed yet">Retries, pauses, removals and other changes are written down here.</Empty>}
        {data && data.entries.length > 0 && <Table label="Changes" columns={COLUMNS} rows={data.entries} rowKey={({ id }) => id} keyboard />}
        {data && <Pager cursor={cursor} next={data.cursor} busy={loading} onGo={(next) => setQuery({ cursor: next })} />}
      </Card>
    </>
  );
}
