import { formatNumber } from "../../format";
import { stateLook } from "../../states";
import { countsInWords, type FlowCounts } from "./tree";

/** How many jobs are in which state: a bar with a colour each, and the words. */
export function StateBar({ counts, label }: { counts: FlowCounts; label: string }) {
  const states = countsInWords(counts);
  const words = states.map(({ count, word }) => `${formatNumber(count)} ${word}`).join(", ");
  return (
    <span class="state-bar" role="img" aria-label={`${label}: ${words}`} title={words}>
      {states.map(({ state, count }) => (
        <span key={state} style={{ flexGrow: String(count), background: stateLook(state).colour }} />
      ))}
    </span>
  );
}

export function StateWords({ counts }: { counts: FlowCounts }) {
  return (
    <span class="state-words">
      {countsInWords(counts).map(({ state, count, word }) => (
        <span key={state} style={{ "--colour": stateLook(state).colour }}>
          {formatNumber(count)} {word}
        </span>
      ))}
    </span>
  );
}
