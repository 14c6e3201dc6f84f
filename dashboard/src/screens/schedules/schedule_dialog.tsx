import { useId, useState } from "preact/hooks";

import { api, ApiError, queuePath, segment } from "../../api/client";
import { useOverview } from "../../api/live";
import type { Schedule } from "../../api/types";
import { Button } from "../../components/button";
import { Choices } from "../../components/choices";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, Select, TextArea, TextInput } from "../../components/form";
import { toast } from "../../components/toast";
import { bodyOf, type Draft, draftOf, emptyDraft, type Mistakes, mistakesIn } from "./draft";
import { allZones } from "./zones";

const KINDS = [
  { value: "cron", label: "At times (cron)" },
  { value: "every", label: "At an interval" },
] as const;

const MISSED = [
  { value: "one", label: "Run once" },
  { value: "skip", label: "Skip them" },
  { value: "all", label: "Run each" },
] as const;

const OVERLAP = [
  { value: "allow", label: "Run as well" },
  { value: "skip", label: "Do not run" },
] as const;

interface Props {
  /** The schedule to change; without it, one is made. */
  schedule: Schedule | null;
  queue: string;
  onClose: (saved: boolean) => void;
}

export function ScheduleDialog({ schedule, queue, onClose }: Props) {
  const form = useId();
  const [draft, setDraft] = useState<Draft>(() => (schedule ? draftOf(schedule) : emptyDraft(queue)));
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const mistakes = mistakesIn(draft);
  const save = async () => {
    setTried(true);
    if (Object.keys(mistakes).length > 0) return;
    setBusy(true);
    setError(null);
    try {
      await api.put(queuePath(draft.queue, `/schedules/${segment(draft.id.trim())}`), bodyOf(draft, schedule?.options ?? {}));
      toast(schedule ? `Changed ${draft.id}` : `Made the schedule ${draft.id}`);
      onClose(true);
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
      setBusy(false);
    }
  };
  const shown = { ...fieldsOf(error), ...(tried ? mistakes : {}) };
  return (
    <Dialog
      wide
      title={schedule ? `Edit ${schedule.id}` : "New schedule"}
      closable={!busy}
      onClose={() => onClose(false)}
      footer={
        <>
          <Button onClick={() => onClose(false)} disabled={busy}>Cancel</Button>
          <Button kind="primary" type="submit" form={form} busy={busy}>{schedule ? "Save" : "Make the schedule"}</Button>
        </>
      }
    >
      <form
        id={form}
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void save();
        }}
      >
        {schedule?.declared && (
          <p class="warning-text small">This schedule is declared in code. Workers write it anew when they start: change it there for good.</p>
        )}
        {error && <ErrorBox error={error} />}
        <Fields draft={draft} change={(part) => setDraft({ ...draft, ...part })} mistakes={shown} fixed={schedule !== null} />
      </form>
    </Dialog>
  );
}

interface FieldsProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  mistakes: Mistakes;
  /** Whether queue and id are given: they name the schedule. */
  fixed: boolean;
}

function Fields({ draft, change, mistakes, fixed }: FieldsProps) {
  const queues = Object.keys(useOverview().value?.queues ?? {}).sort();
  const names = queues.includes(draft.queue) || !draft.queue ? queues : [draft.queue, ...queues];
  return (
    <>
      <div class="fields schedule-fields">
        <Field label="Queue" error={mistakes.queue}>
          <Select
            value={draft.queue}
            disabled={fixed}
            onChange={(queue) => change({ queue })}
            options={[...(draft.queue ? [] : [{ value: "", label: "Choose…" }]), ...names.map((name) => ({ value: name, label: name }))]}
          />
        </Field>
        <Field label="Id" error={mistakes.id} hint="Names the schedule. One with this id is replaced.">
          <TextInput value={draft.id} onInput={(id) => change({ id })} disabled={fixed} autofocus={!fixed} autocomplete="off" />
        </Field>
        <Field label="Name of the jobs" hint="The task to run. Without it, the id.">
          <TextInput value={draft.name} onInput={(name) => change({ name })} autocomplete="off" />
        </Field>
      </div>
      <Choices label="When" options={KINDS} value={draft.kind} onChange={(kind: Draft["kind"]) => change({ kind })} />
      {draft.kind === "cron" ? <CronFields draft={draft} change={change} mistakes={mistakes} /> : <EveryField draft={draft} change={change} mistakes={mistakes} />}
      <Field label="Data (JSON)" error={mistakes.data}>
        <TextArea value={draft.data} onInput={(data) => change({ data })} rows={5} />
      </Field>
      <div class="fields schedule-fields">
        <Field label="Limit" error={mistakes.limit} hint="How many runs at most.">
          <TextInput value={draft.limit} onInput={(limit) => change({ limit })} inputMode="numeric" />
        </Field>
        <Field label="Start" hint="In your time zone.">
          <TextInput type="datetime-local" value={draft.start} onInput={(start) => change({ start })} />
        </Field>
        <Field label="End" error={mistakes.end} hint="In your time zone.">
          <TextInput type="datetime-local" value={draft.end} onInput={(end) => change({ end })} />
        </Field>
      </div>
      <div class="fields schedule-fields">
        <Field label="Runs that were missed" hint="After a time in which nobody worked.">
          <Select value={draft.missed} onChange={(missed: string) => change({ missed })} options={MISSED} />
        </Field>
        <Field label="While an earlier run goes on">
          <Select value={draft.overlap} onChange={(overlap: string) => change({ overlap })} options={OVERLAP} />
        </Field>
      </div>
    </>
  );
}

function CronFields({ draft, change, mistakes }: Omit<FieldsProps, "fixed">) {
  const zones = useId();
  return (
    <div class="fields schedule-fields">
      <Field label="Cron expression" error={mistakes.cron} hint="minute hour day month weekday; seconds may come first">
        <TextInput class="mono" value={draft.cron} onInput={(cron) => change({ cron })} spellcheck={false} autocomplete="off" />
      </Field>
      <Field label="Time zone" error={mistakes.zone}>
        <TextInput value={draft.zone} onInput={(zone) => change({ zone })} list={zones} spellcheck={false} autocomplete="off" />
        <datalist id={zones}>{allZones().map((zone) => <option key={zone} value={zone} />)}</datalist>
      </Field>
    </div>
  );
}

function EveryField({ draft, change, mistakes }: Omit<FieldsProps, "fixed">) {
  return (
    <Field label="Every" error={mistakes.every} hint={'Such as "30 s", "10 min", "6 h" or "1 d".'}>
      <TextInput value={draft.every} onInput={(every) => change({ every })} autocomplete="off" />
    </Field>
  );
}

const API_NAMES: Record<string, keyof Draft> = { time_zone: "zone", start_at: "start", end_at: "end" };

function fieldsOf(error: Error | null): Mistakes {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(Object.entries(error.fields).map(([name, message]) => [API_NAMES[name] ?? name, message]));
}
