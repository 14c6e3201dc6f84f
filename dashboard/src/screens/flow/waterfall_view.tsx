import { now } from "../../clock";
import { formatDuration, formatNumber, parseInstant } from "../../format";
import { stateLook } from "../../states";
import { addressOf, countsInWords, type FlowGroup, type FlowItem, type FlowJob, hasEnded, jobsOf } from "./tree";

const ROWS_AT_MOST = 500;

interface Props {
  root: FlowJob;
  open: ReadonlySet<string>;
  onToggle: (item: FlowGroup) => void;
}

interface Row {
  item: FlowItem;
  depth: number;
}

interface Span {
  from: number;
  to: number;
}

/** When each job waited and ran, below each other on one time line. */
export function WaterfallView({ root, open, onToggle }: Props) {
  const present = now.value;
  const rows = rowsOf(root, open);
  const all = spanOf(root, present);
  const length = Math.max(1, all.to - all.from);
  const place = ({ from, to: end }: Span) => ({
    insetInlineStart: `${((from - all.from) / length) * 100}%`,
    width: `${Math.max(0.2, ((end - from) / length) * 100)}%`,
  });
  return (
    <div class="waterfall">
      <div class="waterfall-row waterfall-head" aria-hidden="true">
        <span />
        <span class="waterfall-scale">
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <span key={part} style={{ insetInlineStart: `${part * 100}%` }}>{formatDuration((length * part) / 1000)}</span>
          ))}
        </span>
      </div>
      <ul>
        {rows.slice(0, ROWS_AT_MOST).map(({ item, depth }) => (
          <li key={item.key} class="waterfall-row">
            <span class="waterfall-name" style={{ paddingInlineStart: `${depth * 0.9}rem` }}>
              <Name item={item} open={open} onToggle={onToggle} />
            </span>
            <Bars item={item} present={present} place={place} />
          </li>
        ))}
      </ul>
      {rows.length > ROWS_AT_MOST && <p class="faint small">{formatNumber(rows.length - ROWS_AT_MOST)} more jobs are not shown here.</p>}
    </div>
  );
}

function Name({ item, open, onToggle }: { item: FlowItem; open: ReadonlySet<string>; onToggle: (item: FlowGroup) => void }) {
  if (item.kind === "job") return <a class="clip" href={addressOf(item.node)}>{item.node.name || item.node.id}</a>;
  return (
    <button type="button" class="link-button clip" aria-expanded={open.has(item.key)} onClick={() => onToggle(item)}>
      {formatNumber(item.total)} × {item.name}
    </button>
  );
}

function Bars({ item, present, place }: { item: FlowItem; present: number; place: (span: Span) => Record<string, string> }) {
  const jobs = item.kind === "job" ? [item] : item.jobs;
  const added = Math.min(...jobs.map(({ node }) => parseInstant(node.added_at) ?? Infinity));
  const started = Math.min(...jobs.map(({ node }) => parseInstant(node.started_at) ?? Infinity));
  const ends = jobs.map(({ node }) => parseInstant(node.finished_at) ?? (node.started_at && node.state === "active" ? present : 0));
  const end = Math.max(...ends);
  if (!Number.isFinite(added)) return <span class="waterfall-bars" />;
  const waited = { from: added, to: Number.isFinite(started) ? started : present };
  const colour = item.kind === "job" ? stateLook(item.node.state).colour : groupColour(item);
  const words = [
    `waited ${formatDuration((waited.to - waited.from) / 1000)}`,
    Number.isFinite(started) && end >= started ? `ran ${formatDuration((end - started) / 1000)}` : "has not run",
  ].join(", ");
  return (
    <span class="waterfall-bars" role="img" aria-label={words} title={words}>
      <span class="waterfall-wait" style={place(waited)} />
      {Number.isFinite(started) && end >= started && <span class="waterfall-run" style={{ ...place({ from: started, to: end }), background: colour }} />}
    </span>
  );
}

/** Return the states of a group as a striped bar, each as long as its share. */
function groupColour({ counts, total }: FlowGroup): string {
  let end = 0;
  const stripes = countsInWords(counts).map(({ state, count }) => {
    const start = end;
    end += (count / Math.max(1, total)) * 100;
    return `${stateLook(state).colour} ${start}% ${end}%`;
  });
  return `linear-gradient(to right, ${stripes.join(", ")})`;
}

function rowsOf(root: FlowJob, open: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const add = (item: FlowItem, depth: number) => {
    rows.push({ item, depth });
    const below = item.kind === "job" ? item.below : open.has(item.key) ? item.jobs : [];
    for (const next of below) add(next, depth + 1);
  };
  add(root, 0);
  return rows;
}

function spanOf(root: FlowJob, present: number): Span {
  const nodes = jobsOf(root);
  const from = nodes.map(({ added_at }) => parseInstant(added_at)).filter((at) => at !== null);
  const ended = nodes.every(hasEnded);
  const until = nodes.map(({ finished_at }) => parseInstant(finished_at)).filter((at) => at !== null);
  const first = from.length ? from.reduce((one, other) => Math.min(one, other)) : present;
  const last = until.length ? until.reduce((one, other) => Math.max(one, other)) : present;
  return { from: first, to: ended ? last : Math.max(last, present) };
}
