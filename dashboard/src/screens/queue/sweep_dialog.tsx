import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type ApiError, queuePath } from "../../api/client";
import type { BulkCount } from "../../api/types";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextInput } from "../../components/form";
import { Progress } from "../../components/progress";
import { plural } from "../../format";

interface Props {
  title: string;
  queue: string;
  /** The verb of the call: "drain" for `:drain`. */
  verb: string;
  /** What to send. Made once when it begins, so that each step gets the same. */
  body: () => Record<string, unknown>;
  /** How many jobs it will touch, where that is known: for the progress bar. */
  expected: number | null;
  action: string;
  /** "drained", for the end. */
  done: string;
  danger?: boolean;
  /** What must be typed before it may go. */
  typed?: string;
  ready?: boolean;
  onClose: () => void;
  /** Called once it has ended without an error and without a stop. */
  onDone?: () => void;
  children: ComponentChildren;
}

type Stage = "asking" | "running" | "stopped" | "done";

/** Confirm an act on a whole queue, then call it again and again until the server says that nothing is left. */
export function SweepDialog(props: Props) {
  const { title, queue, verb, body, expected, action, done, typed, onClose } = props;
  const [stage, setStage] = useState<Stage>("asking");
  const [count, setCount] = useState(0);
  const [error, setError] = useState<ApiError>();
  const [text, setText] = useState("");
  const stopped = useRef(false);
  useEffect(
    () => () => {
      stopped.current = true;
    },
    [],
  );
  const ready = (props.ready ?? true) && (!typed || text === typed);
  const run = async () => {
    setStage("running");
    setError(undefined);
    const order = body();
    let total = 0;
    try {
      let more = true;
      while (more && !stopped.current) {
        const step = await api.post<BulkCount>(queuePath(queue, `:${verb}`), order);
        total += step.count;
        more = step.more;
        setCount(total);
      }
      setStage(more ? "stopped" : "done");
      if (!more) props.onDone?.();
    } catch (problem) {
      setError(problem as ApiError);
      setStage("asking");
    }
  };
  const ended = stage === "done" || stage === "stopped";
  return (
    <Dialog
      title={title}
      closable={stage !== "running"}
      onClose={onClose}
      footer={
        <>
          {stage === "asking" && (
            <>
              <Button onClick={onClose}>Cancel</Button>
              <Button kind={props.danger ? "danger" : "primary"} disabled={!ready} type="submit" form="sweep-form">
                {action}
              </Button>
            </>
          )}
          {stage === "running" && (
            <Button
              onClick={() => {
                stopped.current = true;
              }}
            >
              Stop
            </Button>
          )}
          {ended && (
            <Button kind="primary" onClick={onClose} autofocus>
              Close
            </Button>
          )}
        </>
      }
    >
      {stage === "asking" ? (
        <form
          id="sweep-form"
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) void run();
          }}
        >
          {props.children}
          {typed && (
            <Field label={`Type ${typed} to go on`}>
              <TextInput value={text} onInput={setText} spellcheck={false} autocomplete="off" autofocus />
            </Field>
          )}
          {error && <ErrorBox error={error} />}
        </form>
      ) : (
        <div class="stack">
          {stage === "running" && <Progress share={expected ? count / expected : null} label={action} />}
          <p aria-live="polite">
            {stage === "stopped" && "Stopped. "}
            {plural(count, "job")} {done}.
          </p>
        </div>
      )}
    </Dialog>
  );
}
