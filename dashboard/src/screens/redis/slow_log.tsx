import type { SlowCall } from "../../api/types";
import { Empty } from "../../components/feedback";
import { Card } from "../../components/page";
import { type Column, Table } from "../../components/table";
import { Duration, Time } from "../../components/time";

const COLUMNS: readonly Column<SlowCall>[] = [
  { id: "command", title: "Command", main: true, cell: ({ command }) => <code>{command}</code> },
  { id: "took", title: "Took", align: "end", cell: ({ took }) => <Duration seconds={took} /> },
  { id: "at", title: "When", align: "end", cell: ({ at }) => <Time at={at} /> },
];

/** The server's own list of commands that took long. */
export function SlowLog({ entries }: { entries: readonly SlowCall[] | null }) {
  return (
    <Card flush title="Slow log">
      {entries && entries.length > 0 ? (
        <Table label="Slow commands" columns={COLUMNS} rows={entries} rowKey={({ at, took, command }) => `${at} ${took} ${command}`} />
      ) : (
        <Empty title={entries ? "No command was slow" : "The server does not let its slow log be read"} />
      )}
    </Card>
  );
}
