/** Turn the jobs of a flow into a tree, with siblings that do the same put together. */

import type { ChildCounts, Flow, FlowNode, FlowState } from "../../api/types";
import { formatNumber } from "../../format";
import { to } from "../../router";
import { session } from "../../session";

export type FlowCounts = Partial<Record<FlowState, number>>;

/** A job of the flow with those it waits for. */
export interface FlowJob {
  readonly kind: "job";
  readonly key: string;
  readonly node: FlowNode;
  readonly below: readonly FlowItem[];
}

/** Siblings of one name, which would drown the picture one by one. */
export interface FlowGroup {
  readonly kind: "group";
  readonly key: string;
  readonly name: string;
  readonly jobs: readonly FlowJob[];
  /** How many there are; some may not be among `jobs`. */
  readonly total: number;
  readonly counts: FlowCounts;
  /** Whether none of the jobs has children: they then fit in a box of tiles. */
  readonly flat: boolean;
}

export type FlowItem = FlowJob | FlowGroup;

const ALONE = 4;

/** Return the tree of a flow, or undefined when its root is not among the jobs. */
export function treeOf(flow: Flow): FlowJob | undefined {
  const nodes = new Map(flow.nodes.map((node) => [node.key, node]));
  const root = flow.nodes.find((node) => node.queue === flow.root.queue && node.id === flow.root.id) ?? flow.nodes[0];
  if (!root) return undefined;
  const below = childrenByParent(flow, root.key);
  const seen = new Set<string>();
  const build = (node: FlowNode): FlowJob => {
    seen.add(node.key);
    const children = (below.get(node.key) ?? []).flatMap((key) => {
      const child = nodes.get(key);
      return child && !seen.has(key) ? [build(child)] : [];
    });
    return { kind: "job", key: node.key, node, below: grouped(node, children) };
  };
  return build(root);
}

/** An edge may be written from the parent or from the child; the root tells which. */
function childrenByParent(flow: Flow, root: string): Map<string, string[]> {
  const fromParent = flow.edges.some(({ from }) => from === root);
  const children = new Map<string, string[]>();
  for (const { from, to } of flow.edges) {
    const [parent, child] = fromParent ? [from, to] : [to, from];
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  return children;
}

function grouped(parent: FlowNode, children: readonly FlowJob[]): FlowItem[] {
  const byName = new Map<string, FlowJob[]>();
  for (const child of children) {
    const name = `${child.node.queue}\n${child.node.name}`;
    byName.set(name, [...(byName.get(name) ?? []), child]);
  }
  // The server leaves out children of a parent with very many. Where all are alike, so are those.
  const more = byName.size === 1 ? parent.more : 0;
  return [...byName.values()].flatMap<FlowItem>((jobs) => (jobs.length < ALONE ? jobs : [groupOf(parent, jobs, more)]));
}

function groupOf(parent: FlowNode, jobs: readonly FlowJob[], more: number): FlowGroup {
  const counts: FlowCounts = {};
  for (const { node } of jobs) counts[node.state] = (counts[node.state] ?? 0) + 1;
  const { name, queue } = jobs[0]!.node;
  return {
    kind: "group",
    key: `${parent.key} / ${queue}:${name}`,
    name,
    jobs,
    total: jobs.length + more,
    counts: more > 0 ? completedBy(counts, parent.child_counts, jobs.length + more) : counts,
    flat: jobs.every(({ below }) => below.length === 0),
  };
}

/** Count what the parent knows of its children; those that are not listed are mostly the completed ones. */
function completedBy(counts: FlowCounts, known: ChildCounts, total: number): FlowCounts {
  const all: FlowCounts = { ...counts, completed: known.processed, failed: known.failed + known.ignored };
  const rest = total - Object.values(all).reduce((sum, count) => sum + count, 0);
  return rest > 0 ? { ...all, waiting: (all.waiting ?? 0) + rest } : all;
}

export function isItemOpen(item: FlowItem, open: ReadonlySet<string>): boolean {
  return item.kind === "job" || open.has(item.key);
}

/** Return what hangs below an item while the groups of `open` are open. */
export function shownBelow(item: FlowItem, open: ReadonlySet<string>): readonly FlowItem[] {
  if (item.kind === "job") return item.below;
  return open.has(item.key) && !item.flat ? item.jobs : [];
}

/** Return the jobs from the root down to `key`, with the groups between them. */
export function pathTo(item: FlowItem, key: string): FlowItem[] | undefined {
  if (item.key === key) return [item];
  for (const next of item.kind === "job" ? item.below : item.jobs) {
    const found = pathTo(next, key);
    if (found) return [item, ...found];
  }
  return undefined;
}

export function jobsOf(item: FlowItem): FlowNode[] {
  return item.kind === "job" ? [item.node, ...item.below.flatMap(jobsOf)] : item.jobs.flatMap(jobsOf);
}

const ORDER: readonly FlowState[] = [
  "completed", "failed", "active", "waiting", "prioritized", "delayed", "waiting-children", "unknown", "gone", "hidden",
];
const WORDS: Partial<Record<FlowState, string>> = { completed: "done", active: "running", "waiting-children": "waiting for children" };

/** Return the states that occur, in the order of a job's life seen from its end, with a word for each. */
export function countsInWords(counts: FlowCounts): { state: FlowState; count: number; word: string }[] {
  return ORDER.flatMap((state) => {
    const count = counts[state] ?? 0;
    return count > 0 ? [{ state, count, word: WORDS[state] ?? state }] : [];
  });
}

export function groupInWords(group: FlowGroup): string {
  const states = countsInWords(group.counts).map(({ count, word }) => `${formatNumber(count)} ${word}`);
  return `${formatNumber(group.total)} × ${group.name}: ${states.join(", ")}`;
}

export function childTotal({ processed, unprocessed, failed, ignored }: ChildCounts): number {
  return processed + unprocessed + failed + ignored;
}

/** Return a job that runs, the deepest first: where the flow is at work. */
export function runningIn(root: FlowJob): FlowNode | undefined {
  const running = jobsOf(root).filter(({ state }) => state === "active");
  return running.sort((one, other) => other.depth - one.depth)[0];
}

/** Return the address of a job's screen; nothing for a job that cannot be looked at from here. */
export function addressOf({ visible, prefix, queue, id, state }: FlowNode): string | undefined {
  return visible && state !== "gone" && prefix === session.value?.prefix ? to.job(queue, id) : undefined;
}

export function hasEnded({ state }: FlowNode): boolean {
  return state === "completed" || state === "failed" || state === "gone" || state === "hidden";
}
