import type { QueueSummary } from "../../api/types";

export interface QueueGroup {
  /** What the names of the group begin with; "" for queues that share no beginning. */
  prefix: string;
  queues: QueueSummary[];
}

const GROUP_FROM = 12;
const SMALLEST_GROUP = 2;

/** Queues by the first word of their name ("billing" of billing-invoices), when there are many. Keeps the given order inside. */
export function grouped(queues: readonly QueueSummary[]): QueueGroup[] {
  if (queues.length < GROUP_FROM) return [{ prefix: "", queues: [...queues] }];
  const byWord = Map.groupBy(queues, ({ name }) => firstWord(name));
  const groups: QueueGroup[] = [];
  const single: QueueSummary[] = [];
  for (const [prefix, members] of byWord) {
    if (prefix && members.length >= SMALLEST_GROUP) groups.push({ prefix, queues: members });
    else single.push(...members);
  }
  groups.sort((a, b) => a.prefix.localeCompare(b.prefix));
  return single.length > 0 ? [...groups, { prefix: "", queues: single }] : groups;
}

function firstWord(name: string): string {
  return /^(.+?)[-_.:/ ]/.exec(name)?.[1] ?? "";
}
