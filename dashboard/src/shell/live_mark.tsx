import { type LiveStatus, liveStatus } from "../api/live";

const WORDS: Record<LiveStatus, { word: string; meaning: string }> = {
  connecting: { word: "Connecting", meaning: "Asking the server for live values" },
  live: { word: "Live", meaning: "Values change as they happen" },
  stale: {
    word: "Stale",
    meaning: "The server has told nothing for 20 seconds: Redis may be slow or absent, values are old",
  },
  polling: { word: "Polling", meaning: "The live feed does not get through: values are read every 5 seconds" },
  paused: { word: "Paused", meaning: "Nothing is read while the page is hidden" },
  offline: { word: "Offline", meaning: "The server does not answer: values are old" },
};

export function LiveMark() {
  const { word, meaning } = WORDS[liveStatus.value];
  return (
    <span class={`live-mark ${liveStatus.value}`} role="status" title={meaning}>
      <span class="live-dot" />
      {word}
    </span>
  );
}
