import { api, queuePath } from "../../api/client";
import type { ActRequest, ActResult, JobAction, ListedState } from "../../api/types";

/** Which jobs: the chosen ones, or all in a state that match a search. */
export type Scope = { ids: readonly string[] } | { state: ListedState; search: string; total: number };

export interface Tally {
  matched: number;
  changed: number;
  skipped: number;
  reasons: { id: string; reason: string }[];
  scanned: number;
  /** How many there are to look at. */
  total: number;
}

export const EMPTY_TALLY: Tally = { matched: 0, changed: 0, skipped: 0, reasons: [], scanned: 0, total: 0 };

const IDS_A_STEP = 200;
const REASONS_KEPT = 20;

export interface BulkOrder {
  queue: string;
  action: JobAction;
  scope: Scope;
  reason?: string;
  priority?: number;
  dryRun?: boolean;
}

/** Act step by step until all is done or `signal` says stop; what a step did is told after it. */
export async function runBulk(order: BulkOrder, signal: AbortSignal, tell: (tally: Tally) => void): Promise<Tally> {
  let tally = EMPTY_TALLY;
  for await (const result of steps(order, signal)) {
    tally = added(tally, result, order.scope);
    tell(tally);
  }
  return tally;
}

async function* steps(order: BulkOrder, signal: AbortSignal): AsyncGenerator<ActResult> {
  const { scope } = order;
  if ("ids" in scope) {
    for (let at = 0; at < scope.ids.length && !signal.aborted; at += IDS_A_STEP) {
      yield await act(order, { ids: scope.ids.slice(at, at + IDS_A_STEP) });
    }
    return;
  }
  let cursor: string | null = null;
  do {
    const match: ActRequest["match"] = { state: scope.state, search: scope.search };
    const result: ActResult = await act(order, { match, ...(cursor === null ? {} : { cursor }) });
    yield result;
    cursor = result.cursor;
  } while (cursor !== null && !signal.aborted);
}

/** A step that was sent is waited for, also after a stop: what it did must be counted. */
function act({ queue, action, reason, priority, dryRun }: BulkOrder, which: Partial<ActRequest>): Promise<ActResult> {
  const request: ActRequest = { action, ...which };
  if (reason) request.reason = reason;
  if (priority !== undefined) request.priority = priority;
  if (dryRun) request.dry_run = true;
  return api.post<ActResult>(queuePath(queue, "/jobs:act"), request);
}

function added(tally: Tally, result: ActResult, scope: Scope): Tally {
  return {
    matched: tally.matched + result.matched,
    changed: tally.changed + result.changed,
    skipped: tally.skipped + result.skipped_count,
    reasons: [...tally.reasons, ...result.skipped].slice(0, REASONS_KEPT),
    scanned: tally.scanned + result.scanned,
    total: "ids" in scope ? scope.ids.length : Math.max(scope.total, result.total),
  };
}
