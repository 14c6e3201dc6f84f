import { CalendarClock, CalendarPlus } from "lucide";
import { useEffect, useState } from "preact/hooks";

import { api, queuePath, segment } from "../../api/client";
import { useResource } from "../../api/resource";
import type { AddedJob, Schedule, ScheduleList } from "../../api/types";
import { Button } from "../../components/button";
import { confirm } from "../../components/confirm";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Card, Page } from "../../components/page";
import { Pager } from "../../components/pager";
import { QueueFilter } from "../../components/queue_filter";
import { toast, toastError } from "../../components/toast";
import { plural } from "../../format";
import { query, setQuery } from "../../router";
import { refusal } from "../../session";
import { useSteadyOrder } from "../../steady";
import "./schedules.css";
import { ScheduleDialog } from "./schedule_dialog";
import { type ScheduleActions, ScheduleRow } from "./schedule_row";
import { Today } from "./today";

const REFRESH = 10;

/** With `queue` it is a tab of that queue's screen: content only. Without, a screen of its own (in a Page). */
export default function SchedulesScreen({ queue }: { queue?: string }) {
  const [adding, setAdding] = useState(false);
  const chosen = queue ?? query("queue").value ?? "";
  const add = (
    <Button kind="primary" icon={CalendarPlus} reason={refusal("admin")} onClick={() => setAdding(true)}>New schedule</Button>
  );
  const content = <Schedules queue={chosen} single={queue !== undefined} adding={adding} onAdded={() => setAdding(false)} />;
  if (queue !== undefined) {
    return (
      <>
        <div class="row"><span class="grow" />{add}</div>
        {content}
      </>
    );
  }
  return (
    <Page
      title="Schedules"
      actions={
        <>
          <QueueFilter all="All queues" value={chosen} onChange={(name) => setQuery({ queue: name, cursor: null })} />
          {add}
        </>
      }
    >
      {content}
    </Page>
  );
}

interface Props {
  queue: string;
  single: boolean;
  adding: boolean;
  onAdded: () => void;
}

function Schedules({ queue, single, adding, onAdded }: Props) {
  const cursor = query("cursor").value;
  const marked = query("id").value;
  const path = queue ? queuePath(queue, "/schedules") : "api/schedules";
  const { data, error, loading, reload } = useResource((signal) => api.get<ScheduleList>(path, { query: { cursor }, signal }), [path, cursor], { every: REFRESH });
  const [edited, setEdited] = useState<Schedule | null>(null);
  const [busy, setBusy] = useState("");
  const schedules = useSteadyOrder(data?.schedules ?? [], keyOf, inOrder, `${path} ${cursor}`);
  useEffect(() => {
    if (marked && data) document.querySelector(".schedule.marked")?.scrollIntoView({ block: "center" });
  }, [marked, data === undefined]);

  const act = async (schedule: Schedule, work: () => Promise<string>) => {
    setBusy(keyOf(schedule));
    try {
      toast(await work());
    } catch (problem) {
      toastError(problem);
    } finally {
      setBusy("");
      reload();
    }
  };
  const actions: ScheduleActions = {
    run: (schedule) => void act(schedule, async () => {
      const job = await api.post<Partial<AddedJob>>(pathOf(schedule, ":run"));
      return job.id ? `${schedule.id} runs now as job ${job.id}` : `${schedule.id} runs now`;
    }),
    setPaused: (schedule, paused) => void act(schedule, async () => {
      await api.post(pathOf(schedule, paused ? ":pause" : ":resume"));
      return `${schedule.id} ${paused ? "is paused" : "goes on"}`;
    }),
    edit: setEdited,
    remove: (schedule) => void remove(schedule).then((removed) => removed && reload()),
  };
  const close = (saved: boolean) => {
    setEdited(null);
    onAdded();
    if (saved) reload();
  };
  return (
    <>
      {error && <ErrorBox error={error} retry={reload} />}
      {!data && !error && <Loading rows={6} />}
      {data && schedules.length === 0 && <Card><Empty icon={CalendarClock} title="There is no schedule yet">A schedule adds a job at given times or at an interval.</Empty></Card>}
      {data && schedules.length > 0 && (
        <>
          <Today schedules={schedules} />
          <Card flush title={plural(schedules.length, "schedule")}>
            <ul class="schedules">
              {schedules.map((schedule) => (
                <ScheduleRow
                  key={keyOf(schedule)}
                  schedule={schedule}
                  showQueue={!single}
                  marked={schedule.id === marked}
                  busy={busy === keyOf(schedule)}
                  actions={actions}
                />
              ))}
            </ul>
            {data.complete === false && <p class="schedules-foot small quiet">There are more: choose a queue.</p>}
            <Pager cursor={cursor} next={data.cursor ?? null} busy={loading} onGo={(next) => setQuery({ cursor: next })} />
          </Card>
        </>
      )}
      {(adding || edited) && <ScheduleDialog schedule={edited} queue={queue} onClose={close} />}
    </>
  );
}

async function remove(schedule: Schedule): Promise<boolean> {
  const sure = await confirm({
    title: `Remove the schedule ${schedule.id}?`,
    body: (
      <>
        It adds no more jobs to {schedule.queue}; the job that it has prepared goes as well.
        {schedule.declared && " It is declared in code: workers make it again when they start."}
      </>
    ),
    action: "Remove",
    danger: true,
  });
  if (!sure) return false;
  try {
    await api.remove(pathOf(schedule));
    toast(`Removed ${schedule.id}`);
    return true;
  } catch (error) {
    toastError(error);
    return false;
  }
}

function pathOf({ queue, id }: Schedule, rest = ""): string {
  return queuePath(queue, `/schedules/${segment(id)}${rest}`);
}

function keyOf({ queue, id }: Schedule): string {
  return `${queue} ${id}`;
}

function inOrder(one: Schedule, other: Schedule): number {
  return one.queue.localeCompare(other.queue) || one.id.localeCompare(other.id);
}
