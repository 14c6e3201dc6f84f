import { useState } from "preact/hooks";
import { api, ApiError, queuePath } from "../../api/client";
import type { Queue } from "../../api/types";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextInput } from "../../components/form";
import { toast } from "../../components/toast";
import { formatDuration } from "../../format";

interface Props {
  queue: Queue;
  changed: (queue: Queue) => void;
  onClose: () => void;
}

/** Limits of the whole queue, over all workers. An empty field is no limit. */
export function LimitsDialog({ queue, changed, onClose }: Props) {
  const { limits } = queue;
  const [concurrency, setConcurrency] = useState(text(limits.concurrency));
  const [max, setMax] = useState(text(limits.rate_max));
  const [duration, setDuration] = useState(text(limits.rate_duration));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const fields = error?.fields ?? {};
  const incomplete = (max === "") !== (duration === "");
  const save = async () => {
    setBusy(true);
    setError(undefined);
    const rate = max === "" ? null : { max: Number(max), duration: Number(duration) };
    try {
      changed(
        await api.patch<Queue>(queuePath(queue.name), {
          concurrency: concurrency === "" ? null : Number(concurrency),
          rate_limit: rate,
        }),
      );
      toast(`The limits of ${queue.name} were changed.`);
      onClose();
    } catch (problem) {
      setError(problem as ApiError);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={`Limits of ${queue.name}`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="limits-form" busy={busy} disabled={incomplete}>
            Save
          </Button>
        </>
      }
    >
      <form
        id="limits-form"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!incomplete) void save();
        }}
      >
        <p class="quiet">These hold for all workers together. An empty field means no limit.</p>
        <Field label="Jobs at once" error={fields["concurrency"]}>
          <TextInput type="number" min={1} value={concurrency} onInput={setConcurrency} autofocus />
        </Field>
        <div class="fields">
          <Field label="Jobs that may start" error={fields["rate_limit.max"]}>
            <TextInput type="number" min={1} value={max} onInput={setMax} />
          </Field>
          <Field
            label="within seconds"
            error={fields["rate_limit.duration"] ?? (incomplete ? "A rate needs both numbers" : undefined)}
          >
            <TextInput inputMode="decimal" value={duration} onInput={setDuration} />
          </Field>
        </div>
        {limits.held_for > 0 && (
          <p class="warning-text">The rate limit holds jobs back for another {formatDuration(limits.held_for)}.</p>
        )}
        {error && Object.keys(fields).length === 0 && <ErrorBox error={error} />}
      </form>
    </Dialog>
  );
}

function text(value: number | null): string {
  return value === null ? "" : String(value);
}
