import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../../api/client";
import { Button } from "../../components/button";
import { Dialog } from "../../components/dialog";
import { ErrorBox } from "../../components/feedback";
import { Field, TextInput } from "../../components/form";
import { Progress } from "../../components/progress";
import { formatNumber, plural } from "../../format";
import type { ActionLook } from "./actions";
import { type BulkOrder, EMPTY_TALLY, runBulk, type Scope, type Tally } from "./bulk_run";

interface Props {
  queue: string;
  look: ActionLook;
  scope: Scope;
  onClose: (changed: boolean) => void;
}

type Stage = "asking" | "running" | "done";

/** Ask once, stating the scope; then act with progress and a way to stop; then say what was done. */
export function BulkDialog({ queue, look, scope, onClose }: Props) {
  const [stage, setStage] = useState<Stage>("asking");
  const [tally, setTally] = useState<Tally>(EMPTY_TALLY);
  const [error, setError] = useState<ApiError>();
  const [reason, setReason] = useState("");
  const [priority, setPriority] = useState("");
  const control = useRef<AbortController | null>(null);
  const counted = useCount(queue, look, scope, stage === "asking");
  useEffect(() => () => control.current?.abort(), []);

  const needsPriority = look.action === "change_priority";
  const ready = !needsPriority || /^\d+$/.test(priority);
  const run = async () => {
    const controller = new AbortController();
    control.current = controller;
    setStage("running");
    const order: BulkOrder = { queue, action: look.action, scope };
    if (reason) order.reason = reason;
    if (needsPriority) order.priority = Number(priority);
    try {
      await runBulk(order, controller.signal, setTally);
    } catch (problem) {
      setError(problem as ApiError);
    }
    setStage("done");
  };
  const stopped = control.current?.signal.aborted;

  return (
    <Dialog
      title={`${look.verb}: ${scopeWords(scope, counted)}`}
      closable={stage !== "running"}
      onClose={() => onClose(stage === "done")}
      footer={
        <>
          {stage === "asking" && (
            <>
              <Button onClick={() => onClose(false)}>Keep them as they are</Button>
              <Button
                kind={look.danger ? "danger" : "primary"}
                icon={look.icon}
                disabled={!ready}
                type="submit"
                form="bulk-form"
              >
                {look.verb} {scopeWords(scope, counted)}
              </Button>
            </>
          )}
          {stage === "running" && <Button onClick={() => control.current?.abort()}>Stop</Button>}
          {stage === "done" && (
            <Button kind="primary" onClick={() => onClose(true)} autofocus>
              Close
            </Button>
          )}
        </>
      }
    >
      {stage === "asking" ? (
        <form
          id="bulk-form"
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) void run();
          }}
        >
          <p>
            <Sentence scope={scope} counted={counted} queue={queue} /> {look.effect}
          </p>
          {look.action === "cancel" && (
            <Field label="Reason" hint="Optional. It is kept with the job and in the audit log.">
              <TextInput value={reason} onInput={setReason} />
            </Field>
          )}
          {needsPriority && (
            <Field label="Priority" hint="0 for none; otherwise 1 runs first.">
              <TextInput value={priority} onInput={setPriority} inputMode="numeric" autofocus />
            </Field>
          )}
        </form>
      ) : (
        <Outcome tally={tally} look={look} running={stage === "running"} stopped={Boolean(stopped)} />
      )}
      {error && <ErrorBox error={error} />}
    </Dialog>
  );
}

interface Count {
  matched: number;
  scanned: number;
  total: number;
  running: boolean;
}

/** Count what matches with a dry run, so that the confirmation can say it. A whole state needs no counting. */
function useCount(queue: string, look: ActionLook, scope: Scope, asking: boolean): Count {
  const known = "ids" in scope ? scope.ids.length : scope.total;
  const searched = !("ids" in scope) && scope.search !== "";
  const [count, setCount] = useState<Count>({
    matched: searched ? 0 : known,
    scanned: 0,
    total: known,
    running: searched,
  });
  useEffect(() => {
    if (!searched || !asking) return undefined;
    const controller = new AbortController();
    const finish = () => setCount((last) => ({ ...last, running: false }));
    runBulk({ queue, action: look.action, scope, dryRun: true }, controller.signal, ({ matched, scanned, total }) => {
      if (!controller.signal.aborted) setCount({ matched, scanned, total, running: true });
    }).then(finish, finish);
    return () => controller.abort();
  }, [asking]);
  return count;
}

function scopeWords(scope: Scope, counted: Count): string {
  if ("ids" in scope) return plural(scope.ids.length, "job");
  return counted.running ? `all that match` : plural(counted.matched, "job");
}

function Sentence({ scope, counted, queue }: { scope: Scope; counted: Count; queue: string }) {
  if ("ids" in scope)
    return (
      <>
        {plural(scope.ids.length, "chosen job")} of {queue}.
      </>
    );
  if (!scope.search)
    return (
      <>
        All {plural(counted.matched, `${scope.state} job`)} of {queue}.
      </>
    );
  return (
    <>
      {counted.running ? "At least " : ""}
      {plural(counted.matched, `${scope.state} job`)} of {queue} {counted.matched === 1 ? "matches" : "match"}{" "}
      <code>{scope.search}</code>
      {counted.running && ` (${formatNumber(counted.scanned)} of ${formatNumber(counted.total)} looked at)`}.
    </>
  );
}

function Outcome({
  tally,
  look,
  running,
  stopped,
}: {
  tally: Tally;
  look: ActionLook;
  running: boolean;
  stopped: boolean;
}) {
  const share = tally.total > 0 ? Math.max(tally.scanned, tally.changed + tally.skipped) / tally.total : null;
  return (
    <div class="stack">
      {running && <Progress share={share} label={look.verb} />}
      <p aria-live="polite">
        {stopped && !running && "Stopped. "}
        {plural(tally.changed, "job")} {look.done}
        {tally.skipped > 0 && `, ${formatNumber(tally.skipped)} left as they were`}.
      </p>
      {!running && tally.reasons.length > 0 && (
        <ul class="skipped small">
          {tally.reasons.map(({ id, reason }) => (
            <li key={id}>
              <code>{id}</code> {reason}
            </li>
          ))}
          {tally.skipped > tally.reasons.length && (
            <li>and {formatNumber(tally.skipped - tally.reasons.length)} more</li>
          )}
        </ul>
      )}
    </div>
  );
}
