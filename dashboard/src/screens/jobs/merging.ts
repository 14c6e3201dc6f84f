import type { JobPage, JobRow } from "../../api/types";

/** What a list shows. */
export interface Content {
  rows: readonly JobRow[];
  /** Ids of rows that have left this state since the list was read. */
  gone: ReadonlySet<string>;
  /** How many jobs a fresh page has that are not shown; a whole page of them means "or more". */
  newer: number;
  /** Where the next page begins; null at the end. */
  next: string | null;
  total: number;
  scanned: number;
  at: string | null;
}

/** Bring the shown rows up to date from a fresh first page, without moving any. */
export function merged(old: Content, fresh: JobPage): Content {
  const byId = new Map(fresh.jobs.map((job) => [job.id, job]));
  const shown = new Set(old.rows.map(({ id }) => id));
  const reach = knownUpTo(old, fresh);
  const gone = old.rows.filter(({ id }, index) => index <= reach && !byId.has(id));
  return {
    ...old,
    rows: old.rows.map((row) => byId.get(row.id) ?? row),
    gone: new Set(gone.map(({ id }) => id)),
    newer: fresh.jobs.filter(({ id }) => !shown.has(id)).length,
    total: fresh.total,
  };
}

/** Up to which row a fresh page tells that a job is gone: rows below it may only have been pushed off the page. */
function knownUpTo(old: Content, fresh: JobPage): number {
  if (fresh.cursor === null) return old.rows.length - 1;
  return old.rows.findLastIndex(({ id }) => fresh.jobs.some((job) => job.id === id));
}
