import { useState } from "preact/hooks";

import { StateBadge } from "../../components/state_badge";
import { Duration } from "../../components/time";
import { formatNumber } from "../../format";
import { StateWords } from "./summary";
import { addressOf, type FlowGroup, type FlowItem, type FlowJob } from "./tree";

interface Props {
  root: FlowJob;
  open: ReadonlySet<string>;
  onToggle: (item: FlowGroup) => void;
}

/** The flow as a list in lists: for the keyboard, for screen readers and for narrow windows. */
export function ListView({ root, open, onToggle }: Props) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const flip = (key: string) => {
    const next = new Set(closed);
    if (!next.delete(key)) next.add(key);
    setClosed(next);
  };
  const draw = (item: FlowItem) =>
    item.kind === "job" ? (
      <Job key={item.key} item={item} open={!closed.has(item.key)} flip={() => flip(item.key)} draw={draw} />
    ) : (
      <Group key={item.key} item={item} open={open.has(item.key)} flip={() => onToggle(item)} draw={draw} />
    );
  return <ul class="flow-list">{draw(root)}</ul>;
}

interface ItemProps<T> {
  item: T;
  open: boolean;
  flip: () => void;
  draw: (item: FlowItem) => preact.ComponentChildren;
}

function Job({ item, open, flip, draw }: ItemProps<FlowJob>) {
  const { node, below } = item;
  return (
    <li>
      <div class="flow-row">
        {below.length > 0 ? <Twist open={open} flip={flip} label={`Children of ${node.name}`} /> : <span class="flow-twist" />}
        <a href={addressOf(node)}>{node.name || node.id}</a>
        <StateBadge state={node.state} />
        {node.run_time !== null && <span class="quiet small"><Duration seconds={node.run_time} /></span>}
        <code class="faint small">{node.id}</code>
        {node.failed_reason && <span class="danger-text small flow-reason">{node.failed_reason}</span>}
      </div>
      {open && below.length > 0 && <ul>{below.map(draw)}</ul>}
      {node.more > 0 && <p class="flow-rest small">and {formatNumber(node.more)} more children: <a href={addressOf(node)}>see the job</a></p>}
    </li>
  );
}

function Group({ item, open, flip, draw }: ItemProps<FlowGroup>) {
  return (
    <li>
      <div class="flow-row">
        <Twist open={open} flip={flip} label={`${formatNumber(item.total)} jobs called ${item.name}`} />
        <b>{formatNumber(item.total)} × {item.name}</b>
        <StateWords counts={item.counts} />
      </div>
      {open && <ul>{item.jobs.map(draw)}</ul>}
      {open && item.total > item.jobs.length && <p class="flow-rest small">and {formatNumber(item.total - item.jobs.length)} more</p>}
    </li>
  );
}

function Twist({ open, flip, label }: { open: boolean; flip: () => void; label: string }) {
  return <button type="button" class="flow-twist" aria-expanded={open} aria-label={label} onClick={flip} />;
}
