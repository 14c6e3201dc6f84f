import { useEffect, useState } from "preact/hooks";
import { api, ApiError, queuePath } from "../../api/client";
import type { AddedJob, Json, NewJob, Suggestions } from "../../api/types";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextArea, TextInput } from "../../components/form";
import { toast } from "../../components/toast";
import { navigate, to } from "../../router";

interface Form {
  name: string;
  data: string;
  delay: string;
  priority: string;
  attempts: string;
  options: string;
}

const EMPTY: Form = { name: "", data: "{}", delay: "", priority: "", attempts: "", options: "" };

export function AddJobDialog({ queue, onClose }: { queue: string; onClose: () => void }) {
  const [form, setForm] = useState(EMPTY);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const names = useNames(queue);
  const set = (field: keyof Form) => (value: string) => setForm((old) => ({ ...old, [field]: value }));
  const data = parse(form.data);
  const options = parse(form.options || "{}");
  const optionsWrong = options.error ?? (isObject(options.value) ? undefined : "Expected an object");
  const ready = form.name !== "" && !data.error && !optionsWrong;
  const fields = error?.fields ?? {};
  const add = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const added = await api.post<AddedJob>(queuePath(queue, "/jobs"), newJob(form, data.value, options.value));
      toast(`Job ${added.id} was added: ${added.state}.`);
      onClose();
      navigate(to.job(queue, added.id));
    } catch (problem) {
      setError(problem as ApiError);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={`Add a job to ${queue}`}
      onClose={onClose}
      wide
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="add-form" busy={busy} disabled={!ready}>
            Add job
          </Button>
        </>
      }
    >
      <form
        id="add-form"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void add();
        }}
      >
        <Field label="Name" hint="What the worker knows the task by." error={fields["name"]}>
          <TextInput
            value={form.name}
            onInput={set("name")}
            list="known-names"
            autofocus
            required
            spellcheck={false}
            autocomplete="off"
          />
        </Field>
        <datalist id="known-names">
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Field label="Data (JSON)" error={data.error ?? fields["data"]}>
          <TextArea value={form.data} onInput={set("data")} rows={8} />
        </Field>
        <div class="fields">
          <Field label="Delay" hint="Seconds, or 10m, 2h" error={fields["options.delay"]}>
            <TextInput value={form.delay} onInput={set("delay")} placeholder="none" />
          </Field>
          <Field label="Priority" hint="1 first; empty for none" error={fields["options.priority"]}>
            <TextInput type="number" min={0} value={form.priority} onInput={set("priority")} />
          </Field>
          <Field label="Attempts" hint="How often it may be tried" error={fields["options.attempts"]}>
            <TextInput type="number" min={1} value={form.attempts} onInput={set("attempts")} placeholder="1" />
          </Field>
        </div>
        <details open={Boolean(form.options)}>
          <summary>More options</summary>
          <Field
            label="Options (JSON)"
            hint='Such as {"job_id": "…", "timeout": "5m", "backoff": 10}'
            error={(form.options && optionsWrong) || fields["options"]}
          >
            <TextArea value={form.options} onInput={set("options")} rows={4} />
          </Field>
        </details>
        {error && <ErrorBox error={error} />}
      </form>
    </Dialog>
  );
}

function parse(text: string): { value: Json; error?: string } {
  try {
    return { value: JSON.parse(text) as Json };
  } catch (problem) {
    return { value: null, error: `Not JSON yet: ${(problem as Error).message}` };
  }
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function newJob(form: Form, data: Json, more: Json): NewJob {
  const options: Record<string, Json> = isObject(more) ? { ...more } : {};
  if (form.delay) options["delay"] = seconds(form.delay);
  if (form.priority) options["priority"] = Number(form.priority);
  if (form.attempts) options["attempts"] = Number(form.attempts);
  return { name: form.name, data, options };
}

/** A plain number counts seconds; anything else ("10m") is for the server to read. */
function seconds(text: string): Json {
  const number = Number(text);
  return Number.isNaN(number) ? text.trim() : number;
}

/** Names of jobs that the queue has seen lately, to choose from. */
function useNames(queue: string): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    const states = ["completed", "failed", "waiting"];
    const calls = states.map((state) => api.get<Suggestions>(queuePath(queue, "/suggestions"), { query: { state } }));
    void Promise.allSettled(calls).then((results) => {
      const found = results.flatMap((result) => (result.status === "fulfilled" ? result.value.names : []));
      setNames([...new Set(found)].sort());
    });
  }, [queue]);
  return names;
}
