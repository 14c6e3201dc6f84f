import { Pause, Play, Plus } from "lucide";
import { useState } from "preact/hooks";
import { api, queuePath } from "../../api/client";
import { useLiveQueue } from "../../api/live";
import { useResource } from "../../api/resource";
import type { Queue } from "../../api/types";
import { Button } from "../../components/button";
import { confirm } from "../../components/confirm";
import { ErrorBox, Loading } from "../../components/feedback";
import { Page } from "../../components/page";
import { type Tab, Tabs } from "../../components/tabs";
import { toast, toastError } from "../../components/toast";
import { plural } from "../../format";
import { lazy } from "../../lazy";
import { type QueueTab, to } from "../../router";
import { refusal } from "../../session";
import { unfinished } from "../../states";
import { Jobs } from "../jobs";
import { Held } from "../queues/queue_table";
import { AddJobDialog } from "./add_job";
import { AdministrationMenu } from "./administration";
import { Facts } from "./facts";
import "./queue.css";

const Failures = lazy(() => import("../failures"));
const Schedules = lazy(() => import("../schedules"));
const Workers = lazy(() => import("../workers"));
const Metrics = lazy(() => import("../metrics"));

export function QueueScreen({ queue: name, tab }: { queue: string; tab: QueueTab }) {
  const first = useResource((signal) => api.get<Queue>(queuePath(name), { signal }), [name]);
  const live = useLiveQueue(name).value;
  const queue = live ?? first.data;
  return (
    <Page
      title={name}
      crumbs={[{ label: "Queues", href: to.queues() }]}
      aside={queue && <Held queue={queue} />}
      actions={queue && <Actions queue={queue} changed={first.put} />}
    >
      {first.error && !queue && <ErrorBox error={first.error} retry={first.reload} />}
      {!queue && !first.error && <Loading rows={6} />}
      {queue && (
        <>
          <Facts queue={queue} />
          <QueueTabs queue={queue} tab={tab} />
          <TabContent queue={queue} tab={tab} />
        </>
      )}
    </Page>
  );
}

function TabContent({ queue, tab }: { queue: Queue; tab: QueueTab }) {
  switch (tab) {
    case "jobs":
      return <Jobs queue={queue} />;
    case "failures":
      return <Failures queue={queue.name} />;
    case "schedules":
      return <Schedules queue={queue.name} />;
    case "workers":
      return <Workers queue={queue.name} />;
    case "metrics":
      return <Metrics queue={queue.name} />;
  }
}

function QueueTabs({ queue, tab }: { queue: Queue; tab: QueueTab }) {
  const tabs: Tab[] = [
    { id: "jobs", label: "Jobs", href: to.queue(queue.name), count: unfinished(queue.counts) },
    { id: "failures", label: "Failures", href: to.queue(queue.name, "failures"), count: queue.counts.failed ?? 0 },
    { id: "schedules", label: "Schedules", href: to.queue(queue.name, "schedules"), count: queue.schedules },
    { id: "workers", label: "Workers", href: to.queue(queue.name, "workers"), count: queue.workers },
    { id: "metrics", label: "Metrics", href: to.queue(queue.name, "metrics") },
  ];
  return <Tabs label={`Views of ${queue.name}`} tabs={tabs} current={tab} />;
}

interface ActionsProps {
  queue: Queue;
  /** Called with what the server answered to a change. */
  changed: (queue: Queue) => void;
}

function Actions({ queue, changed }: ActionsProps) {
  const [adding, setAdding] = useState(false);
  const [busy, setBusy] = useState(false);
  const toggle = async () => {
    if (!(await agreesToToggle(queue))) return;
    setBusy(true);
    try {
      changed(await api.post<Queue>(queuePath(queue.name, queue.paused ? ":resume" : ":pause")));
      toast(`${queue.name} is ${queue.paused ? "running again" : "paused"}.`);
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <>
      <Button icon={queue.paused ? Play : Pause} busy={busy} reason={refusal("operator")} onClick={() => void toggle()}>
        {queue.paused ? "Resume" : "Pause"}
      </Button>
      <Button kind="primary" icon={Plus} reason={refusal("operator")} onClick={() => setAdding(true)}>
        Add job
      </Button>
      <AdministrationMenu queue={queue} changed={changed} />
      {adding && <AddJobDialog queue={queue.name} onClose={() => setAdding(false)} />}
    </>
  );
}

function agreesToToggle(queue: Queue): Promise<boolean> {
  if (queue.paused) return Promise.resolve(true);
  return confirm({
    title: `Pause ${queue.name}?`,
    body: (
      <p>
        No worker starts another job of this queue until it is resumed. The{" "}
        {plural(queue.counts.active ?? 0, "active job")} run on, and jobs can still be added.
      </p>
    ),
    action: "Pause",
  });
}
