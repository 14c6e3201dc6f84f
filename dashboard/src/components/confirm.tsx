import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Field, TextInput } from "./form";

export interface ConfirmRequest {
  title: string;
  /** The scope in a sentence: what is touched, how many, whether it can be undone. */
  body: ComponentChildren;
  /** The verb on the button: "Remove 12 jobs". */
  action: string;
  danger?: boolean;
  /** What the user must type first. For what cannot be undone and touches everything. */
  typed?: string;
}

const open = signal<(ConfirmRequest & { answer: (yes: boolean) => void }) | null>(null);

/** Ask once. Resolves to true when the user agrees. */
export function confirm(request: ConfirmRequest): Promise<boolean> {
  return new Promise((resolve) => {
    open.value = {
      ...request,
      answer: (yes) => {
        open.value = null;
        resolve(yes);
      },
    };
  });
}

/** Part of the shell: shows what `confirm` asks. */
export function ConfirmHost() {
  return open.value && <ConfirmDialog key={open.value.title} />;
}

function ConfirmDialog() {
  const request = open.value;
  const [typed, setTyped] = useState("");
  if (!request) return null;
  const ready = !request.typed || typed === request.typed;
  return (
    <Dialog
      title={request.title}
      onClose={() => request.answer(false)}
      footer={
        <>
          <Button onClick={() => request.answer(false)} autofocus={!request.typed && request.danger}>
            Cancel
          </Button>
          <Button kind={request.danger ? "danger" : "primary"} disabled={!ready} type="submit" form="confirm-form">
            {request.action}
          </Button>
        </>
      }
    >
      <form
        id="confirm-form"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) request.answer(true);
        }}
      >
        <div>{request.body}</div>
        {request.typed && (
          <Field label={`Type ${request.typed} to go on`}>
            <TextInput value={typed} onInput={setTyped} autofocus spellcheck={false} autocomplete="off" />
          </Field>
        )}
      </form>
    </Dialog>
  );
}
