import { Crosshair } from "lucide";
import { useMemo } from "preact/hooks";

import type { FlowNode } from "../../api/types";
import { Graph, type GraphNode } from "../../components/graph";
import { Icon } from "../../components/icon";
import { formatDuration, formatNumber, progressShare } from "../../format";
import { stateLook } from "../../states";
import { childTotal, countsInWords, type FlowGroup, type FlowItem, type FlowJob, groupInWords, shownBelow } from "./tree";

const JOB = { width: 212, height: 58 };
const GROUP = { width: 272, height: 70 };
const TILE = { width: 96, height: 26, gap: 5 };
const HEAD = 34;
const TILES_AT_MOST = 600;

interface Props {
  root: FlowJob;
  open: ReadonlySet<string>;
  selected: string | null;
  onSelect: (key: string) => void;
  onToggle: (item: FlowGroup) => void;
  onOpen: (node: FlowNode) => void;
  follow: boolean;
  setFollow: (follow: boolean) => void;
  running: string | null;
}

export function GraphView({ root, open, selected, onSelect, onToggle, onOpen, follow, setFollow, running }: Props) {
  const items = useMemo(() => flattened(root, open), [root, open]);
  const byKey = useMemo(() => new Map(items.map(({ item }) => [item.key, item])), [items]);
  const nodes = useMemo(() => items.map(({ item }) => drawn(item, open, selected, onSelect)), [items, open, selected]);
  const links = useMemo(
    () => items.flatMap(({ item, parent }) => (parent ? [{ from: parent.key, to: item.key, kind: kindOf(item) }] : [])),
    [items],
  );
  return (
    <Graph
      label="Jobs of the flow. Arrow keys walk from job to job."
      nodes={nodes}
      links={links}
      selected={selected}
      onSelect={(key) => {
        onSelect(key);
        const item = byKey.get(key);
        if (item?.kind === "group" && !open.has(key)) onToggle(item);
      }}
      onOpen={(key) => {
        const item = byKey.get(key);
        if (item?.kind === "group") onToggle(item);
        else if (item) onOpen(item.node);
      }}
      follow={follow ? running : null}
      onLeave={() => follow && setFollow(false)}
      tools={
        <button type="button" class="graph-tool wide" aria-pressed={follow} onClick={() => setFollow(!follow)} title="Keep what runs in sight">
          <Icon icon={Crosshair} size={14} /> Follow
        </button>
      }
    />
  );
}

function flattened(root: FlowJob, open: ReadonlySet<string>): { item: FlowItem; parent: FlowItem | null }[] {
  const all: { item: FlowItem; parent: FlowItem | null }[] = [];
  const add = (item: FlowItem, parent: FlowItem | null) => {
    all.push({ item, parent });
    for (const next of shownBelow(item, open)) add(next, item);
  };
  add(root, null);
  return all;
}

function kindOf(item: FlowItem): string {
  const states = item.kind === "job" ? { [item.node.state]: 1 } : item.counts;
  if (states.active) return "active";
  if (states.failed) return "failed";
  return Object.keys(states).every((state) => state === "completed") ? "completed" : "";
}

function drawn(item: FlowItem, open: ReadonlySet<string>, selected: string | null, onSelect: (key: string) => void): GraphNode {
  if (item.kind === "job") return jobNode(item);
  if (open.has(item.key) && item.flat) return tilesNode(item, selected, onSelect);
  return groupNode(item, open.has(item.key));
}

function jobNode({ key, node }: FlowJob): GraphNode {
  const look = stateLook(node.state);
  const share = node.state === "active" ? progressShare(node.progress) : null;
  return {
    key,
    ...JOB,
    color: look.colour,
    label: [node.name || node.id, noteOf(node), look.word, node.id].join(", "),
    draw: () => (
      <g class="flow-job" style={{ "--colour": look.colour }}>
        <rect class="flow-box" {...JOB} rx="9" />
        <rect class="flow-edge" x="0" y="10" width="3.5" height={JOB.height - 20} rx="1.75" />
        <g class="flow-icon" transform="translate(15 20)"><Icon icon={look.icon} size={18} /></g>
        <g class="flow-words">
          <text class="flow-name" x="43" y="25">{cut(node.name || node.id, 22)}</text>
          <text class="flow-note" x="43" y="42">{cut(noteOf(node), 26)}</text>
        </g>
        {share !== null && (
          <>
            <rect class="flow-track" x="43" y={JOB.height - 9} width={JOB.width - 56} height="3" rx="1.5" />
            <rect class="flow-done" x="43" y={JOB.height - 9} width={(JOB.width - 56) * share} height="3" rx="1.5" />
          </>
        )}
      </g>
    ),
  };
}

function noteOf(node: FlowNode): string {
  const word = stateLook(node.state).word;
  if (node.state === "failed" && node.failed_reason) return node.failed_reason;
  if (node.run_time !== null) return `${word} · ${formatDuration(node.run_time)}`;
  if (node.more > 0) return `${word} · ${formatNumber(node.more)} more children`;
  const { processed } = node.child_counts;
  const all = childTotal(node.child_counts);
  return node.state === "waiting-children" && all > 0 ? `${formatNumber(processed)} of ${formatNumber(all)} children done` : word;
}

function groupNode(group: FlowGroup, open: boolean): GraphNode {
  const states = countsInWords(group.counts);
  const { width, height } = GROUP;
  const inner = width - 32;
  let x = 16;
  return {
    key: group.key,
    ...GROUP,
    color: groupColor(group),
    label: `${groupInWords(group)}. ${open ? "Open" : "Closed"}`,
    draw: () => (
      <g class={`flow-group${open ? " open" : ""}`}>
        <rect class="flow-behind" x="8" y="7" width={width - 8} height={height - 7} rx="9" />
        <rect class="flow-behind" x="4" y="3.5" width={width - 8} height={height - 7} rx="9" />
        <rect class="flow-box" width={width - 8} height={height - 7} rx="9" />
        <g class="flow-words">
          <text class="flow-name" x="16" y="24">{`${formatNumber(group.total)} × ${cut(group.name, 22)}`}</text>
          <text class="flow-note" x="16" y="41">{cut(states.map(({ count, word }) => `${formatNumber(count)} ${word}`).join(", "), 42)}</text>
        </g>
        {states.map(({ state, count }) => {
          const share = (count / group.total) * (inner - 8);
          const bar = <rect key={state} x={x} y={height - 18} width={Math.max(1.5, share - 1)} height="5" rx="2.5" style={{ fill: stateLook(state).colour }} />;
          x += share;
          return bar;
        })}
      </g>
    ),
  };
}

function groupColor({ counts }: FlowGroup): string {
  const loudest = (["failed", "active", "waiting", "delayed", "completed"] as const).find((state) => counts[state]);
  return stateLook(loudest ?? "unknown").colour;
}

/** An open group of jobs without children: a box with a tile each. */
function tilesNode(group: FlowGroup, selected: string | null, onSelect: (key: string) => void): GraphNode {
  const jobs = group.jobs.slice(0, TILES_AT_MOST);
  const columns = Math.min(jobs.length, Math.max(2, Math.ceil(Math.sqrt(jobs.length / 2.4))));
  const rows = Math.ceil(jobs.length / columns);
  const step = { x: TILE.width + TILE.gap, y: TILE.height + TILE.gap };
  const width = columns * step.x - TILE.gap + 20;
  const height = HEAD + rows * step.y - TILE.gap + 12;
  return {
    key: group.key,
    width,
    height,
    color: "var(--line)",
    label: `${groupInWords(group)}. Open`,
    draw: () => (
      <g class="flow-tiles">
        <rect class="flow-box" width={width} height={height} rx="9" />
        <text class="flow-name" x="12" y="22">{`${formatNumber(group.total)} × ${cut(group.name, 24)}${group.total > jobs.length ? `, ${formatNumber(jobs.length)} of them here` : ""}`}</text>
        {jobs.map(({ key, node }, index) => (
          <Tile
            key={key}
            node={node}
            x={10 + (index % columns) * step.x}
            y={HEAD + Math.floor(index / columns) * step.y}
            selected={key === selected}
            onSelect={() => onSelect(key)}
          />
        ))}
      </g>
    ),
  };
}

interface TileProps {
  node: FlowNode;
  x: number;
  y: number;
  selected: boolean;
  onSelect: () => void;
}

function Tile({ node, x, y, selected, onSelect }: TileProps) {
  const look = stateLook(node.state);
  return (
    <g
      class={`flow-tile${selected ? " selected" : ""}`}
      transform={`translate(${x} ${y})`}
      style={{ "--colour": look.colour }}
      onClick={(event) => {
        event.stopPropagation();
        onSelect();
      }}
    >
      <title>{`${node.name} ${node.id}: ${look.word}${node.failed_reason ? `\n${node.failed_reason}` : ""}`}</title>
      <rect width={TILE.width} height={TILE.height} rx="5" />
      <g transform="translate(6 6.5)"><Icon icon={look.icon} size={13} /></g>
      <text x="24" y="17.5">{tail(node.id, 10)}</text>
    </g>
  );
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function tail(text: string, length: number): string {
  return text.length > length ? `…${text.slice(1 - length)}` : text;
}
