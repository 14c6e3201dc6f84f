import { useId, useState } from "preact/hooks";

import { ApiError } from "../../api/client";
import { type Json as ExactJson, parseExact, stringifyExact } from "../../api/exact_json";
import type { Json } from "../../api/types";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextArea } from "../../components/form";

interface Props {
  title: string;
  /** What will happen, in a sentence. */
  note: string;
  action: string;
  data: Json;
  /** Send the edited value; the dialog stays open and shows what is wrong when this fails. */
  submit: (data: Json) => Promise<void>;
  onClose: () => void;
}

/** Edit a job's data as JSON. Values that the server hid are kept as they are stored. */
export function DataDialog({ title, note, action, data, submit, onClose }: Props) {
  const form = useId();
  const [text, setText] = useState(() => stringifyExact(data, 2));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const mistake = mistakeIn(text);
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      await submit(parseExact(text) as Json);
      onClose();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
      setBusy(false);
    }
  };
  return (
    <Dialog
      wide
      title={title}
      closable={!busy}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose} disabled={busy}>Cancel</Button>
          <Button kind="primary" type="submit" form={form} busy={busy} disabled={mistake !== null}>{action}</Button>
        </>
      }
    >
      <form
        id={form}
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (mistake === null && !busy) void send();
        }}
      >
        <p class="quiet">{note}</p>
        {error && <ErrorBox error={error} />}
        <Field
          label="Data (JSON)"
          error={mistake ?? (error instanceof ApiError ? error.fields["data"] : undefined)}
          hint={text.includes('"[redacted]"') ? "A value left as \"[redacted]\" stays as it is stored." : "Numbers of any length are kept exactly."}
        >
          <TextArea value={text} onInput={setText} class="code-area" rows={16} />
        </Field>
        {mistake === null && (
          <div class="row">
            <Button small kind="quiet" onClick={() => setText(stringifyExact(parseExact(text), 2))}>Format</Button>
            <Button small kind="quiet" onClick={() => setText(stringifyExact(data, 2))}>Undo all changes</Button>
          </div>
        )}
      </form>
    </Dialog>
  );
}

/** Return what is wrong with a JSON text, or null. */
export function mistakeIn(text: string): string | null {
  try {
    parseExact(text) satisfies ExactJson;
    return null;
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}
