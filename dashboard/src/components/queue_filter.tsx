import { useOverview } from "../api/live";
import { Select } from "./form";

interface Props {
  /** The queue that is chosen; empty for all. */
  value: string;
  onChange: (queue: string) => void;
  /** Leave out where one queue must be chosen. */
  all?: string;
}

/** Choose one of the queues that are there. */
export function QueueFilter({ value, onChange, all }: Props) {
  const names = Object.keys(useOverview().value?.queues ?? {});
  if (value && !names.includes(value)) names.push(value);
  const options = names.sort().map((name) => ({ value: name, label: name }));
  return <Select label="Queue" value={value} onChange={onChange} options={all ? [{ value: "", label: all }, ...options] : options} />;
}
