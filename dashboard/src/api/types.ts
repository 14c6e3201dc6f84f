/**
 * The JSON of the HTTP API by the names that the dashboard uses. Instants are ISO 8601 in UTC, durations are seconds.
 * The shapes come from the server's own description (schema.ts); what it leaves wide is made narrow here.
 */
import type { components } from "./schema";

type Schemas = components["schemas"];
type With<T, Changes> = Omit<T, keyof Changes> & Changes;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Instant = string;
export type Seconds = number;

export type Role = Schemas["Role"];
export type JobState = Schemas["JobState"];
export type Counts = Partial<Record<JobState, number>>;

export type Problem = Pick<Schemas["Problem"], "title" | "status"> & Partial<Schemas["Problem"]>;

export type Session = With<Schemas["Session"], { auth: "none" | "token" | "cookie" | "basic" | "host" }>;

export type Point = Schemas["Point"];
export type QueueSummary = With<Schemas["QueueSummary"], { counts: Counts }>;
export type Limits = Schemas["QueueLimits"];
export type Queue = With<Schemas["QueueDetail"], { counts: Counts }>;

export type Totals = Schemas["Totals"];
export type ServerBrief = Schemas["ServerBrief"];
export type AttentionLink = With<Schemas["Link"], { state?: JobState | null }>;
export type Attention = With<Required<Schemas["Attention"]>, { link: AttentionLink }>;
export type Overview = With<Schemas["Overview"], { attention: Attention[]; queues: Record<string, QueueSummary> }>;

/** One bounded step of an act on a whole queue. */
export type BulkCount = Schemas["Step"];

export type JobRow = With<Schemas["JobRow"], { state: JobState; progress: Json }>;
export type JobPage = With<Schemas["JobPage"], { jobs: JobRow[] }>;
export type Suggestions = Schemas["Suggestions"];

/** The states that can be looked at and acted on as a whole. */
export type ListedState = Exclude<JobState, "unknown">;

export type JobAction = Schemas["Action"];
export type ActRequest = Pick<Schemas["BulkOrder"], "action"> & Partial<Schemas["BulkOrder"]>;
export type ActResult = Schemas["BulkStep"];

export type FailureGroup = Schemas["FailureGroup"];
export type Failures = Schemas["Failures"];

export type TimelineEntry = Schemas["TimelineEntry"];
export type ChildCounts = Schemas["ChildCounts"];
export type Job = With<
  Schemas["JobView"],
  { state: JobState; progress: Json; data: Json; options: Record<string, Json>; result: Json }
>;
export type LogPage = Schemas["LogPage"];

/** A job may be gone, or in a queue that the user may not see. */
export type FlowState = JobState | "gone" | "hidden";
export type FlowNode = With<Schemas["FlowNode"], { state: FlowState; progress: Json }>;
export type Flow = With<Schemas["Flow"], { nodes: FlowNode[]; edges: { from: string; to: string }[] }>;
export type ChildPage = With<Schemas["ChildPage"], { children: With<Schemas["Child"], { state: FlowState | null }>[] }>;

export type NewJob = With<Schemas["NewJob"], { data?: Json; options?: Record<string, Json> }>;
export type AddedJob = Schemas["AddedJob"];

export type ScheduleRun = With<Schemas["ScheduleRun"], { state: JobState }>;
export type Schedule = With<
  Schemas["ScheduleView"],
  { last_runs: ScheduleRun[]; data: Json; options: Record<string, Json> }
>;

/** Of one queue with a cursor; of all queues with whether these are all. */
export interface ScheduleList {
  schedules: Schedule[];
  cursor?: string | null;
  complete?: boolean;
}

export type Worker = Required<Schemas["Worker"]>;
export type WorkerHealth = Worker["health"];
export type WorkerList = With<Schemas["WorkerList"], { workers: Worker[] }>;

/** What the feed tells of workers: each by its id. */
export interface Workers {
  workers: Record<string, Worker>;
}

export type MetricsPoint = Schemas["MetricsPoint"];
export type Percentiles = Schemas["Spread"];
export type Metrics = Schemas["QueueMetrics"];
export type HeatMap = Schemas["HeatMap"];

export type Finding = Schemas["ServerFinding"];
export type ServerMemory = Schemas["ServerMemory"];
export type QueueMemory = Schemas["QueueMemory"];
export type SlowCall = Schemas["SlowCall"];
export type Server = Schemas["ServerView"];

export type HeavyJobs = Schemas["HeavyJobs"];
export type ReconcilerReport = Schemas["ReconcilerReport"];
export type WatchedRun = Schemas["WatchedRun"];
export type RunRepair = Schemas["RunRepair"];
export type PodRun = Schemas["PodRun"];

export type AuditEntry = Schemas["Entry"];
export type AuditPage = Schemas["Entries"];
