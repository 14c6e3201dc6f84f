import type { Attention } from "../api/types";
import { to } from "../router";

/** Where what needs attention can be looked at. */
export function attentionHref({ queue, link }: Attention): string {
  const { screen, state, search, job_id: id } = link;
  if (queue && id) return to.job(queue, id);
  if (screen === "redis") return to.redis();
  if (screen === "kubernetes") return to.kubernetes();
  if (!queue) return screen === "workers" ? to.workers() : screen === "schedules" ? to.schedules() : to.queues();
  if (screen === "jobs") return to.jobs(queue, { state, search });
  if (screen === "queue") return to.queue(queue);
  return to.queue(queue, screen);
}
