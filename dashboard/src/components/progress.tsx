import { formatNumber } from "../format";

interface Props {
  /** 0 to 1; null where the end is not known. */
  share: number | null;
  label: string;
  colour?: string;
}

export function Progress({ share, label, colour }: Props) {
  const percent = share === null ? undefined : Math.round(Math.max(0, Math.min(1, share)) * 100);
  return (
    <span
      class={`progress ${share === null ? "unknown" : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      title={percent === undefined ? label : `${label}: ${percent}%`}
    >
      <span class="progress-fill" style={{ width: `${percent ?? 40}%`, background: colour }} />
    </span>
  );
}

/** How much of what there is is used: "6 of 8 busy". */
export function Meter({ used, all, noun }: { used: number; all: number; noun: string }) {
  const text = `${formatNumber(used)} of ${formatNumber(all)} ${noun}`;
  const share = all > 0 ? Math.min(1, used / all) : 0;
  return (
    <span
      class="meter"
      role="meter"
      aria-label={noun}
      aria-valuemin={0}
      aria-valuemax={all}
      aria-valuenow={used}
      title={text}
    >
      <span class="meter-track">
        <span class={`meter-fill ${share >= 0.9 ? "full" : ""}`} style={{ width: `${share * 100}%` }} />
      </span>
      <span class="number small">
        {formatNumber(used)}/{formatNumber(all)}
      </span>
    </span>
  );
}
