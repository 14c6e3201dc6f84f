import { now } from "../../clock";
import type { Schedule } from "../../api/types";
import { Card } from "../../components/page";
import { formatClock, formatDuration, plural } from "../../format";
import { to } from "../../router";
import { stateLook } from "../../states";
import { type Collision, collisionsOf, type Day, type DayPlan, dayOf, planOf } from "./occurrences";

const HOURS = [0, 3, 6, 9, 12, 15, 18, 21, 24];
const COLLISIONS_SHOWN = 5;

/** All runs of today on one time line, so that it is seen which come at the same time. */
export function Today({ schedules }: { schedules: readonly Schedule[] }) {
  const present = now.value;
  const day = dayOf(present);
  const plans = schedules.map((schedule) => planOf(schedule, day));
  const collisions = collisionsOf(plans);
  const across = (at: number) => `${((at - day.start) / (day.end - day.start)) * 100}%`;
  return (
    <Card title="Today">
      <div class="today" style={{ "--now": across(present) }}>
        <div class="today-row today-hours" aria-hidden="true">
          <span />
          <span class="today-track">
            {HOURS.map((hour) => <span key={hour} style={{ insetInlineStart: `${(hour / 24) * 100}%` }}>{String(hour).padStart(2, "0")}</span>)}
          </span>
        </div>
        <ul>
          {plans.map((plan) => (
            <li key={`${plan.schedule.queue} ${plan.schedule.id}`} class="today-row">
              <a class="clip" href={to.queue(plan.schedule.queue, "schedules", { id: plan.schedule.id })} title={`${plan.schedule.id} in ${plan.schedule.queue}`}>
                {plan.schedule.id}
              </a>
              <Track plan={plan} day={day} across={across} collisions={collisions} />
            </li>
          ))}
        </ul>
      </div>
      <Crowded collisions={collisions} />
    </Card>
  );
}

interface TrackProps {
  plan: DayPlan;
  day: Day;
  across: (at: number) => string;
  collisions: readonly Collision[];
}

function Track({ plan, day, across, collisions }: TrackProps) {
  const { schedule, past, next, dense } = plan;
  const words = dense ? `every ${formatDuration(dense / 1000)}` : `${plural(next.length, "run")} still due${plan.open ? " or more" : ""}`;
  const crowded = new Set(collisions.map(({ at }) => at));
  const from = Math.max(Date.parse(schedule.next_at ?? ""), day.start);
  return (
    <span class="today-track" role="img" aria-label={`${plural(past.length, "run")} shown so far today, ${schedule.paused ? "paused" : words}`}>
      {dense !== null && <span class="today-band" style={{ insetInlineStart: across(from), insetInlineEnd: "0" }} title={words} />}
      {past.map((run) => (
        <span
          key={run.job_id}
          class="today-run"
          style={{ insetInlineStart: across(Date.parse(run.at ?? "")), background: stateLook(run.state).colour }}
          title={`${formatClock(run.at)}: ${stateLook(run.state).word}`}
        />
      ))}
      {next.map((at) => (
        <span
          key={at}
          class={`today-next${crowded.has(Math.floor(at / 60_000) * 60_000) ? " crowded" : ""}`}
          style={{ insetInlineStart: across(at) }}
          title={`Due at ${formatClock(new Date(at).toISOString())}`}
        />
      ))}
    </span>
  );
}

function Crowded({ collisions }: { collisions: readonly Collision[] }) {
  if (collisions.length === 0) return <p class="quiet small">No two schedules are due in the same minute for the rest of the day, as far as their next times are known.</p>;
  return (
    <div class="crowded-list small">
      <p class="warning-text">Several are due in the same minute:</p>
      <ul>
        {collisions.slice(0, COLLISIONS_SHOWN).map(({ at, schedules }) => (
          <li key={at}>
            <b class="number">{formatClock(new Date(at).toISOString())}</b> {schedules.map(({ id }) => id).join(", ")}
          </li>
        ))}
      </ul>
      {collisions.length > COLLISIONS_SHOWN && <p class="faint">and {plural(collisions.length - COLLISIONS_SHOWN, "more minute")}</p>}
    </div>
  );
}
