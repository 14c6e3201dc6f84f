import { ArrowRight, FoldVertical, UnfoldVertical, X } from "lucide";

import { Button, IconButton, LinkButton } from "../../components/button";
import { Facts } from "../../components/page";
import { StateBadge } from "../../components/state_badge";
import { Duration, Time } from "../../components/time";
import { formatNumber } from "../../format";
import { to } from "../../router";
import { StateBar, StateWords } from "./summary";
import { addressOf, childTotal, type FlowGroup, type FlowItem, type FlowJob } from "./tree";

const LISTED = 60;

interface Props {
  item: FlowItem;
  open: boolean;
  onToggle: (item: FlowGroup) => void;
  onSelect: (key: string) => void;
  onClose: () => void;
}

/** What is known about the job or the group that is selected. */
export function Panel({ item, open, onToggle, onSelect, onClose }: Props) {
  const title = item.kind === "job" ? item.node.name || item.node.id : `${formatNumber(item.total)} × ${item.name}`;
  return (
    <section class="flow-panel card" aria-label={`Selected: ${title}`}>
      <header class="card-head">
        <h2 class="grow">{title}</h2>
        <IconButton icon={X} label="Close" onClick={onClose} />
      </header>
      {item.kind === "job" ? <AboutJob item={item} /> : <AboutGroup item={item} open={open} onToggle={onToggle} onSelect={onSelect} />}
    </section>
  );
}

function AboutJob({ item: { node } }: { item: FlowJob }) {
  const children = childTotal(node.child_counts);
  const address = addressOf(node);
  return (
    <div class="stack tight">
      <div class="row">
        <StateBadge state={node.state} />
        <code class="quiet">{node.id}</code>
      </div>
      {node.failed_reason && <p class="danger-text small flow-failed">{node.failed_reason}</p>}
      <Facts
        facts={[
          { label: "Queue", value: <a href={to.queue(node.queue)}>{node.queue}</a> },
          { label: "Added", value: <Time at={node.added_at} /> },
          { label: "Started", value: <Time at={node.started_at} /> },
          { label: "Finished", value: <Time at={node.finished_at} /> },
          { label: "Ran", value: <Duration seconds={node.run_time} /> },
          ...(children > 0
            ? [{ label: "Children", value: `${formatNumber(node.child_counts.processed)} of ${formatNumber(children)} done${node.child_counts.failed ? `, ${formatNumber(node.child_counts.failed)} failed` : ""}` }]
            : []),
        ]}
      />
      {node.data_preview && <code class="flow-preview small">{node.data_preview}</code>}
      <div class="row">
        {address && <LinkButton small kind="primary" icon={ArrowRight} href={address}>Open the job</LinkButton>}
      </div>
    </div>
  );
}

function AboutGroup({ item, open, onToggle, onSelect }: { item: FlowGroup; open: boolean; onToggle: (item: FlowGroup) => void; onSelect: (key: string) => void }) {
  const loud = [...item.jobs].sort((one, other) => loudness(one) - loudness(other)).slice(0, LISTED);
  return (
    <div class="stack tight">
      <StateBar counts={item.counts} label={item.name} />
      <StateWords counts={item.counts} />
      <div class="row">
        <Button small icon={open ? FoldVertical : UnfoldVertical} onClick={() => onToggle(item)}>{open ? "Put together" : "Show each"}</Button>
      </div>
      <ul class="flow-members">
        {loud.map(({ key, node }) => (
          <li key={key}>
            <StateBadge state={node.state} />
            <button type="button" class="link-button clip" onClick={() => onSelect(key)}>{node.id}</button>
            <span class="quiet small"><Duration seconds={node.run_time} /></span>
          </li>
        ))}
      </ul>
      {item.total > loud.length && <p class="faint small">and {formatNumber(item.total - loud.length)} more</p>}
    </div>
  );
}

/** What asks for attention comes first. */
function loudness({ node }: FlowJob): number {
  const order = ["failed", "active", "waiting-children", "delayed", "waiting", "prioritized", "unknown", "completed"];
  return order.indexOf(node.state);
}
