import { api, ApiError, jobPath } from "../api/client";
import type { Job } from "../api/types";
import { toast, toastError } from "../components/toast";
import { navigate, to } from "../router";

const AT_ONCE = 6;

/** Look for a job by its id in one queue after another, and go to it. */
export async function findJob(id: string, queues: readonly string[]): Promise<void> {
  const waiting = [...queues];
  let found = false;
  const search = async () => {
    for (let queue = waiting.shift(); queue !== undefined && !found; queue = waiting.shift()) {
      if (!(await has(queue, id)) || found) continue;
      found = true;
      navigate(to.job(queue, id));
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, search));
    if (!found) toast(`No queue has a job ${id}.`);
  } catch (error) {
    toastError(error);
  }
}

async function has(queue: string, id: string): Promise<boolean> {
  try {
    await api.get<Job>(jobPath(queue, id));
    return true;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 422)) return false;
    throw error;
  }
}
