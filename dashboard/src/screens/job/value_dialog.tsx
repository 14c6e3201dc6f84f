import { useId, useState } from "preact/hooks";

import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextInput } from "../../components/form";

interface Props {
  title: string;
  note: string;
  label: string;
  hint?: string;
  value: string;
  action: string;
  danger?: boolean;
  /** Return what is wrong with the text, or null. */
  check: (text: string) => string | null;
  submit: (text: string) => Promise<void>;
  onClose: () => void;
}

/** Ask for one value and do something with it: a priority, a delay, a reason. */
export function ValueDialog(props: Props) {
  const form = useId();
  const [text, setText] = useState(props.value);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const mistake = props.check(text);
  const send = async () => {
    setBusy(true);
    try {
      await props.submit(text);
      props.onClose();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={props.title}
      closable={!busy}
      onClose={props.onClose}
      footer={
        <>
          <Button onClick={props.onClose} disabled={busy}>Back</Button>
          <Button kind={props.danger ? "danger" : "primary"} type="submit" form={form} busy={busy} disabled={mistake !== null}>
            {props.action}
          </Button>
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
        <p class="quiet">{props.note}</p>
        {error && <ErrorBox error={error} />}
        <Field label={props.label} hint={props.hint} error={text === props.value ? undefined : (mistake ?? undefined)}>
          <TextInput value={text} onInput={setText} autofocus autocomplete="off" />
        </Field>
      </form>
    </Dialog>
  );
}
