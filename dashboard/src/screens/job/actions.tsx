import { Ban, Braces, Clock, Copy, CopyPlus, Ellipsis, FastForward, ListOrdered, Pencil, RotateCcw, Trash2 } from "lucide";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { api, jobPath } from "../../api/client";
import type { AddedJob, Job, JobState, Json } from "../../api/types";
import { copyText } from "../../clipboard";
import { Button } from "../../components/button";
import { confirm } from "../../components/confirm";
import { Icon } from "../../components/icon";
import { Menu, type MenuItem } from "../../components/menu";
import { toast, toastError } from "../../components/toast";
import { navigate, to } from "../../router";
import { refusal } from "../../session";
import { stateLook } from "../../states";
import { DataDialog } from "./data_dialog";
import { delayText, parseDelay } from "./delay";
import { ValueDialog } from "./value_dialog";

type Asked = "retry" | "edit" | "duplicate" | "cancel" | "priority" | "delay";

interface Props {
  job: Job;
  /** Show what an action answered. */
  put: (job: Job) => void;
  reload: () => void;
}

const HIGHEST_PRIORITY = 2_097_151;

/** What can be done to the job, the most useful in its state first. */
export function Actions({ job, put, reload }: Props) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState("");
  const act = async (verb: "retry" | "promote", done: string) => {
    setBusy(verb);
    try {
      const answer = await api.post<Job | undefined>(jobPath(job.queue, job.id, `:${verb}`));
      if (answer) put(answer);
      else navigate(to.queue(job.queue));
      toast(done);
    } catch (error) {
      toastError(error);
      reload();
    } finally {
      setBusy("");
    }
  };
  const operator = refusal("operator");
  const retry = (label: string) => (
    <Button kind="primary" icon={RotateCcw} busy={busy === "retry"} reason={operator} onClick={() => void act("retry", "The job was put back in line")}>
      {label}
    </Button>
  );
  return (
    <>
      {job.state === "failed" && retry("Retry")}
      {job.state === "failed" && (
        <Button icon={Pencil} reason={operator ?? whole(job)} onClick={() => setAsked("retry")}>Edit and retry</Button>
      )}
      {job.state === "completed" && retry("Run again")}
      {job.state === "delayed" && (
        <Button kind="primary" icon={FastForward} busy={busy === "promote"} reason={operator} onClick={() => void act("promote", "The job may run now")}>
          Run now
        </Button>
      )}
      {isUnfinished(job.state) && (
        <Button icon={Ban} reason={operator} onClick={() => setAsked("cancel")}>Cancel job</Button>
      )}
      <Menu label="More actions" items={items(job, setAsked)} class="button plain icon-only">
        <Icon icon={Ellipsis} />
      </Menu>
      {asked && <Question asked={asked} job={job} put={put} close={() => setAsked(null)} />}
    </>
  );
}

function items(job: Job, ask: (asked: Asked) => void): (MenuItem | "line")[] {
  const operator = refusal("operator");
  const only = (states: readonly JobState[]) => (states.includes(job.state) ? undefined : `Not for a job that is ${stateLook(job.state).word.toLowerCase()}`);
  return [
    { label: "Edit data", icon: Pencil, reason: operator ?? only(["waiting", "prioritized", "delayed", "waiting-children"]) ?? whole(job), run: () => ask("edit") },
    { label: "Change priority", icon: ListOrdered, reason: operator ?? only(["waiting", "prioritized", "delayed"]), run: () => ask("priority") },
    { label: "Change delay", icon: Clock, reason: operator ?? only(["delayed"]), run: () => ask("delay") },
    { label: "Edit as a new job", icon: CopyPlus, reason: operator ?? whole(job), run: () => ask("duplicate") },
    "line",
    { label: "Copy id", icon: Copy, run: () => void copyText(job.id, "the id") },
    { label: "Copy as Python", icon: Braces, run: () => void copyText(job.python_call, "the Python call") },
    { label: "Copy as Node.js", icon: Braces, run: () => void copyText(job.node_call, "the Node.js call") },
    "line",
    { label: "Remove", icon: Trash2, danger: true, reason: refusal("admin") ?? (job.state === "active" ? "It runs: cancel it first" : undefined), run: () => void remove(job) },
  ];
}

function isUnfinished(state: JobState): boolean {
  return state !== "completed" && state !== "failed" && state !== "unknown";
}

function whole(job: Job): string | undefined {
  return job.data_truncated ? "Its data is too large to be edited here" : undefined;
}

async function remove(job: Job): Promise<void> {
  const sure = await confirm({
    title: "Remove this job?",
    body: <>Job <code>{job.id}</code> ({job.name}) goes with its data, result and logs{hasChildren(job) ? ", and so do its children" : ""}. This cannot be undone.</>,
    action: "Remove",
    danger: true,
  });
  if (!sure) return;
  try {
    await api.remove(jobPath(job.queue, job.id));
    toast(`Removed job ${job.id}`);
    navigate(to.jobs(job.queue, { state: job.state }));
  } catch (error) {
    toastError(error);
  }
}

function hasChildren({ children }: Job): boolean {
  return children.processed + children.unprocessed + children.failed + children.ignored > 0;
}

function Question({ asked, job, put, close }: { asked: Asked; job: Job; put: (job: Job) => void; close: () => void }): ComponentChildren {
  const path = (rest = "") => jobPath(job.queue, job.id, rest);
  const changed = (answer: Job | undefined, words: string) => {
    if (answer) put(answer);
    else navigate(to.queue(job.queue));
    toast(words);
  };
  const change = async (body: Record<string, Json>, words: string) => changed(await api.patch<Job | undefined>(path(), body), words);
  switch (asked) {
    case "retry":
      return (
        <DataDialog
          title="Edit and retry"
          note={`${job.name} is put back in line with this data.`}
          action="Retry"
          data={job.data}
          submit={async (data) => changed(await api.post<Job | undefined>(path(":retry"), { data }), "The job was put back in line with new data")}
          onClose={close}
        />
      );
    case "edit":
      return (
        <DataDialog
          title="Edit data"
          note={`${job.name} keeps its place in line.`}
          action="Save"
          data={job.data}
          submit={(data) => change({ data }, "The data was changed")}
          onClose={close}
        />
      );
    case "duplicate":
      return (
        <DataDialog
          title="Edit as a new job"
          note={`A new ${job.name} is added to ${job.queue} with the same options and this data. The job you look at stays as it is.`}
          action="Add the job"
          data={job.data}
          submit={async (data) => {
            const added = await api.post<AddedJob>(path(":duplicate"), { data });
            toast(`Added job ${added.id}`);
            navigate(to.job(added.queue, added.id));
          }}
          onClose={close}
        />
      );
    case "cancel":
      return (
        <ValueDialog
          title="Cancel this job?"
          note={job.state === "active" ? "The worker is asked to stop it. It then counts as failed and is not tried again." : "It leaves the line, counts as failed and is not tried again."}
          label="Reason"
          hint="Optional. It is shown as the error of the job."
          value=""
          action="Cancel the job"
          danger
          check={() => null}
          submit={async (reason) => changed(await api.post<Job | undefined>(path(":cancel"), reason.trim() ? { reason: reason.trim() } : {}), "The job was cancelled")}
          onClose={close}
        />
      );
    case "priority":
      return (
        <ValueDialog
          title="Change priority"
          note="A job with a smaller number goes first. Jobs without one (0) go before all others."
          label="Priority"
          value={String(job.priority)}
          action="Change"
          check={checkPriority}
          submit={(text) => change({ priority: Number(text) }, `The priority is ${Number(text)} now`)}
          onClose={close}
        />
      );
    case "delay":
      return (
        <ValueDialog
          title="Change delay"
          note="Counted from now."
          label="Delay"
          hint={'Such as "90 s", "10 min", "2 h" or "1 d".'}
          value={delayText(job.delay)}
          action="Change"
          check={(text) => (parseDelay(text) === null ? 'Write a number and a unit, such as "10 min".' : null)}
          submit={(text) => change({ delay: parseDelay(text) ?? 0 }, "The delay was changed")}
          onClose={close}
        />
      );
  }
}

function checkPriority(text: string): string | null {
  const good = /^\d{1,7}$/.test(text.trim()) && Number(text) <= HIGHEST_PRIORITY;
  return good ? null : `Write a whole number from 0 to ${HIGHEST_PRIORITY.toLocaleString()}.`;
}
