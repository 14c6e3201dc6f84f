import { AlarmClockOff, Code, Ellipsis, Hand, Pause, Pencil, Play, Trash2, Zap } from "lucide";

import type { Schedule } from "../../api/types";
import { Button } from "../../components/button";
import { Icon } from "../../components/icon";
import { Menu } from "../../components/menu";
import { Time } from "../../components/time";
import { formatAbsolute, formatDuration, formatNumber, plural } from "../../format";
import { to } from "../../router";
import { refusal } from "../../session";
import { stateLook } from "../../states";
import { browserZone, inZone } from "./zones";

export interface ScheduleActions {
  run: (schedule: Schedule) => void;
  setPaused: (schedule: Schedule, paused: boolean) => void;
  edit: (schedule: Schedule) => void;
  remove: (schedule: Schedule) => void;
}

interface Props {
  schedule: Schedule;
  showQueue: boolean;
  /** Whether the address points at it. */
  marked: boolean;
  busy: boolean;
  actions: ScheduleActions;
}

export function ScheduleRow({ schedule, showQueue, marked, busy, actions }: Props) {
  const operator = refusal("operator") ?? (schedule.legacy ? "Made by an old version of BullMQ: it can only be removed" : undefined);
  const admin = refusal("admin");
  return (
    <li class={`schedule${marked ? " marked" : ""}${schedule.paused ? " paused" : ""}`}>
      <div class="schedule-what">
        <h3>{schedule.id}</h3>
        <p>{schedule.words}</p>
        <p class="schedule-marks small">
          {schedule.paused && <span class="pill warning"><Icon icon={Pause} size={12} /> Paused</span>}
          {schedule.late && <span class="pill danger"><Icon icon={AlarmClockOff} size={12} /> Late</span>}
          {showQueue && <a class="pill" href={to.queue(schedule.queue, "schedules")}>{schedule.queue}</a>}
          <span class="pill" title={schedule.declared ? "Declared in code: workers write it anew when they start" : "Made by hand or by a call"}>
            <Icon icon={schedule.declared ? Code : Hand} size={12} /> {schedule.declared ? "in code" : "by hand"}
          </span>
          {schedule.legacy && <span class="pill">old form</span>}
          {schedule.cron && <code>{schedule.cron}</code>}
          {schedule.time_zone && <span class="faint">{schedule.time_zone}</span>}
        </p>
        <Policies schedule={schedule} />
      </div>
      <div class="schedule-next">
        <span class="label small">Next</span>
        {schedule.paused || !schedule.next_at ? <span class="faint">{schedule.paused ? "paused" : "never"}</span> : <Time at={schedule.next_at} />}
        <NextFive schedule={schedule} />
      </div>
      <div class="schedule-runs">
        <span class="label small">Last runs</span>
        <Runs schedule={schedule} />
      </div>
      <div class="schedule-do">
        <Button small icon={Zap} busy={busy} reason={operator} onClick={() => actions.run(schedule)}>Run now</Button>
        <Menu
          label={`More actions on ${schedule.id}`}
          class="button plain small-control icon-only"
          items={[
            schedule.paused
              ? { label: "Resume", icon: Play, reason: operator, run: () => actions.setPaused(schedule, false) }
              : { label: "Pause", icon: Pause, reason: operator, run: () => actions.setPaused(schedule, true) },
            { label: "Edit", icon: Pencil, reason: admin ?? (schedule.legacy ? operator : undefined), run: () => actions.edit(schedule) },
            "line",
            { label: "Remove", icon: Trash2, danger: true, reason: admin, run: () => actions.remove(schedule) },
          ]}
        >
          <Icon icon={Ellipsis} />
        </Menu>
      </div>
    </li>
  );
}

const MISSED: Record<string, string> = { skip: "missed runs are skipped", all: "each missed run is made up for" };

function Policies({ schedule }: { schedule: Schedule }) {
  const { limit, runs_made: made, missed, overlap, start_at: start, end_at: end, name, id } = schedule;
  const parts = [
    name && name !== id ? `job ${name}` : "",
    limit === null ? ((made ?? 0) > 0 ? `${plural(made ?? 0, "run")} so far` : "") : `${formatNumber(made ?? 0)} of ${formatNumber(limit)} runs`,
    MISSED[missed ?? ""] ?? "",
    overlap === "skip" ? "never two at once" : "",
    start ? `from ${formatAbsolute(start)}` : "",
    end ? `until ${formatAbsolute(end)}` : "",
  ].filter(Boolean);
  return parts.length > 0 ? <p class="quiet small">{parts.join(" · ")}</p> : null;
}

/** The next five times in the schedule's zone, and in the reader's where that is another. */
function NextFive({ schedule }: { schedule: Schedule }) {
  if (schedule.paused || schedule.next_five.length === 0) return null;
  const zone = schedule.time_zone ?? "UTC";
  const own = browserZone();
  return (
    <details class="next-five small">
      <summary>Next {schedule.next_five.length}</summary>
      <table class="numbers">
        <thead>
          <tr>
            <th scope="col">{zone}</th>
            {own !== zone && <th scope="col">{own} (yours)</th>}
          </tr>
        </thead>
        <tbody>
          {schedule.next_five.map((at) => (
            <tr key={at}>
              <td>{inZone(at, zone)}</td>
              {own !== zone && <td>{inZone(at, own)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

/** The last runs as dots, the newest at the end. */
function Runs({ schedule }: { schedule: Schedule }) {
  if (schedule.last_runs.length === 0) return <span class="faint small">none kept</span>;
  return (
    <span class="run-dots">
      {[...schedule.last_runs].reverse().map((run) => {
        const look = stateLook(run.state);
        const words = `${look.word}, ${formatAbsolute(run.at)}${run.run_time == null ? "" : `, ran ${formatDuration(run.run_time)}`}`;
        return (
          <a key={run.job_id} class="run-dot" href={to.job(schedule.queue, run.job_id)} title={words} aria-label={words} style={{ "--colour": look.colour }}>
            <Icon icon={look.icon} size={14} />
          </a>
        );
      })}
    </span>
  );
}
