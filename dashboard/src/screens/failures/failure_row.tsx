import { ArrowRight, List } from "lucide";

import { Button, LinkButton } from "../../components/button";
import { Time } from "../../components/time";
import { formatNumber, formatShort } from "../../format";
import { to } from "../../router";
import { refusal } from "../../session";
import { type ActionLook, actionsFor } from "../jobs/actions";
import type { QueueFailure } from "./index";

const NAMES_SHOWN = 4;

interface Props {
  group: QueueFailure;
  showQueue: boolean;
  onAct: (look: ActionLook) => void;
}

/** One kind of failure: what it is, how often and since when, and what can be done about it. */
export function FailureRow({ group, showQueue, onAct }: Props) {
  const search = `fingerprint:${group.fingerprint}`;
  const names = Object.entries(group.names).sort(([, one], [, other]) => other - one);
  return (
    <li class="failure-row">
      <div class="failure-what">
        <h3>
          <a href={to.jobs(group.queue, { state: "failed", search })}>{group.error || "Failed"}</a>
        </h3>
        {group.message && <p class="failure-message">{group.message}</p>}
        <p class="failure-where small">
          {showQueue && <a class="pill" href={to.queue(group.queue, "failures")}>{group.queue}</a>}
          {names.slice(0, NAMES_SHOWN).map(([name, count]) => (
            <span key={name} class="pill">{name} <b class="number">{formatShort(count)}</b></span>
          ))}
          {names.length > NAMES_SHOWN && <span class="faint">and {names.length - NAMES_SHOWN} more</span>}
          {group.frame && <code class="faint">{group.frame}</code>}
        </p>
      </div>
      <div class="failure-trend">
        <Trend counts={group.trend} />
        <span class="small faint">last 24 h</span>
      </div>
      <dl class="failure-times small">
        <div><dt>Jobs</dt><dd class="failure-count number">{formatNumber(group.count)}</dd></div>
        <div><dt>First</dt><dd><Time at={group.first_at} /></dd></div>
        <div><dt>Last</dt><dd><Time at={group.last_at} /></dd></div>
      </dl>
      <div class="failure-do">
        {actionsFor("failed").map((look) => (
          <Button key={look.action} small kind={look.danger ? "quiet" : "plain"} icon={look.icon} reason={refusal(look.needs)} onClick={() => onAct(look)}>
            {look.verb} all
          </Button>
        ))}
        <LinkButton small kind="quiet" icon={List} href={to.jobs(group.queue, { state: "failed", search })}>List</LinkButton>
        <LinkButton small kind="quiet" icon={ArrowRight} href={to.job(group.queue, group.sample_id)}>Sample</LinkButton>
      </div>
    </li>
  );
}

const BAR = { width: 5, gap: 1, height: 30 };

/** Failures by hour, the newest at the end. */
function Trend({ counts }: { counts: readonly number[] }) {
  const highest = Math.max(1, ...counts);
  const all = counts.reduce((sum, count) => sum + count, 0);
  const width = counts.length * (BAR.width + BAR.gap);
  const text = `${formatNumber(all)} in the last ${counts.length} hours, ${formatNumber(counts[counts.length - 1] ?? 0)} in the last one`;
  return (
    <svg class="trend" width={width} height={BAR.height} viewBox={`0 0 ${width} ${BAR.height}`} role="img" aria-label={text}>
      <title>{text}</title>
      {counts.map((count, hour) => {
        const height = count === 0 ? 1.5 : Math.max(3, (count / highest) * BAR.height);
        return (
          <rect
            key={hour}
            class={count === 0 ? "none" : ""}
            x={hour * (BAR.width + BAR.gap)}
            y={BAR.height - height}
            width={BAR.width}
            height={height}
            rx="1"
          />
        );
      })}
    </svg>
  );
}
