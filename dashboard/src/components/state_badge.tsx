import { formatNumber, formatShort } from "../format";
import { stateLook } from "../states";
import { Icon } from "./icon";

/** A job's state: colour, icon and word, so that no one of them carries it alone. */
export function StateBadge({ state, stuck }: { state: string; stuck?: boolean }) {
  const look = stateLook(state);
  return (
    <span class="state-badge" style={{ "--colour": look.colour }} title={look.meaning}>
      <Icon icon={look.icon} size={14} />
      {look.word}
      {stuck && <span class="danger-text"> (stuck)</span>}
    </span>
  );
}

interface CountProps {
  state: string;
  count: number;
  href: string;
  /** In a column that names the state: the number alone. */
  bare?: boolean;
}

/** A count of jobs in one state that leads to their list. */
export function StateCount({ state, count, href, bare }: CountProps) {
  const look = stateLook(state);
  return (
    <a
      class={`state-count number ${count === 0 ? "none" : ""}`}
      style={{ "--colour": look.colour }}
      href={href}
      title={`${look.word}: ${formatNumber(count)}`}
    >
      {!bare && <Icon icon={look.icon} size={13} />}
      <span class="visually-hidden">{look.word}: </span>
      {formatShort(count)}
    </a>
  );
}
