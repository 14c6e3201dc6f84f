import { useState } from "preact/hooks";
import { api, queuePath } from "../../api/client";
import { useResource } from "../../api/resource";
import type { BulkCount, JobState, Queue } from "../../api/types";
import { Field, Select } from "../../components/form";
import { formatNumber, plural } from "../../format";
import { isState, stateLook } from "../../states";
import { query } from "../../router";
import { SweepDialog } from "./sweep_dialog";

const STATES = ["completed", "failed", "waiting", "prioritized", "delayed"] as const satisfies readonly JobState[];
type Cleanable = (typeof STATES)[number];

const AGES = [
  { value: "0", label: "of any age" },
  { value: "3600", label: "older than an hour" },
  { value: "86400", label: "older than a day" },
  { value: "604800", label: "older than 7 days" },
  { value: "2592000", label: "older than 30 days" },
] as const;
type Age = (typeof AGES)[number]["value"];

export function CleanDialog({ queue, onClose }: { queue: Queue; onClose: () => void }) {
  const [state, setState] = useState<Cleanable>(initialState());
  const [age, setAge] = useState<Age>("86400");
  const body = { state, older_than: Number(age) };
  const matching = useResource(
    (signal) => api.post<BulkCount>(queuePath(queue.name, ":clean"), { ...body, dry_run: true }, { signal }),
    [queue.name, state, age],
  );
  const count = matching.data?.count ?? null;
  const word = stateLook(state).word.toLowerCase();
  return (
    <SweepDialog
      title={`Clean ${queue.name}`}
      queue={queue.name}
      verb="clean"
      body={() => body}
      expected={count}
      action={count === null ? "Delete" : `Delete ${plural(count, "job")}`}
      done="deleted"
      danger
      ready={count !== 0}
      onClose={onClose}
    >
      <div class="fields">
        <Field label="Delete jobs that are">
          <Select
            value={state}
            onChange={setState}
            options={STATES.map((value) => ({ value, label: stateLook(value).word }))}
          />
        </Field>
        <Field label="and">
          <Select value={age} onChange={setAge} options={AGES} />
        </Field>
      </div>
      <p aria-live="polite">
        {matching.loading && "Counting…"}
        {matching.error && `They could not be counted: ${matching.error.message}`}
        {matching.data && !matching.loading && (
          <>
            {matching.data.more ? "At least " : ""}
            {plural(matching.data.count, "job")} of {formatNumber(queue.counts[state] ?? 0)} {word}. They are deleted
            with their data and logs. This cannot be undone.
          </>
        )}
      </p>
    </SweepDialog>
  );
}

/** The state that the list on screen shows, where that can be cleaned. */
function initialState(): Cleanable {
  const shown = query("state").value;
  return STATES.find((state) => isState(shown) && state === shown) ?? "completed";
}
