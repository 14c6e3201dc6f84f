// A Node process with a real BullMQ in it, driven over stdin and stdout by one JSON object per line.
//
//   node peer.mjs <folder with node_modules> <redis url> <prefix of all keys>
//
//   request   {"id": 1, "op": "add", "args": {...}}
//   answer    {"id": 1, "result": ...}  or  {"id": 1, "error": {"message", "name", "code"}}
//   news      {"event": "completed", "source": "worker:emails", "fields": {...}}
//
// It ends when its stdin does, so that no process is left when the tests die.

import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [folder, url, prefix] = process.argv.slice(2);
const require = createRequire(path.join(folder, 'package.json'));
const {
  FlowProducer, Job, Queue, Worker, QueueEvents, QueueEventsProducer, UnrecoverableError, WaitingChildrenError,
} = require('bullmq');

const queues = new Map();
const workers = new Map();
const listeners = new Map();

function connection() {
  const address = new URL(url);
  const common = { maxRetriesPerRequest: null };
  if (address.protocol === 'unix:') return { ...common, path: address.pathname };
  return { ...common, host: address.hostname, port: Number(address.port || 6379), db: Number(address.pathname.slice(1) || 0) };
}

function send(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

function news(source, event, fields) {
  send({ source, event, fields });
}

function failure(error) {
  return { message: String(error?.message ?? error), name: error?.name ?? null, code: error?.code ?? null };
}

// ---- what a job looks like to the other side -------------------------------------------------------------------

function describe(job) {
  if (!job) return null;
  return {
    id: job.id,
    name: job.name,
    data: job.data,
    opts: job.opts,
    timestamp: job.timestamp,
    delay: job.delay,
    priority: job.priority,
    progress: job.progress,
    attemptsMade: job.attemptsMade,
    attemptsStarted: job.attemptsStarted,
    stalledCounter: job.stalledCounter,
    processedOn: job.processedOn ?? null,
    processedBy: job.processedBy ?? null,
    finishedOn: job.finishedOn ?? null,
    failedReason: job.failedReason ?? null,
    stacktrace: job.stacktrace ?? null,
    returnvalue: job.returnvalue ?? null,
  };
}

// ---- what the worker does: the name of the job says it ---------------------------------------------------------

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const behaviours = {
  echo: (job) => job.data,
  async sleep(job) {
    await pause(job.data.ms);
    return job.data;
  },
  async fail(job) {
    if (job.data.ms) await pause(job.data.ms);
    if (job.attemptsMade < job.data.times) throw new Error(job.data.reason ?? 'told to fail');
    return job.data;
  },
  unrecoverable(job) {
    throw new UnrecoverableError(job.data.reason ?? 'told to give up');
  },
  async progress(job) {
    for (const step of job.data.steps) await job.updateProgress(step);
    return job.data;
  },
  async log(job) {
    for (const row of job.data.rows) await job.log(row);
    return job.data;
  },
  hang: () => new Promise(() => {}),
  async children(job) {
    return [await job.getChildrenValues(), await job.getIgnoredChildrenFailures()];
  },
  async adopt(job, token) {
    const values = await job.getChildrenValues();
    if (Object.keys(values).length) return values;
    const parent = { id: job.id, queue: job.queueQualifiedName };
    for (const n of job.data.children) await queue(job.data.queue).add('echo', { n }, { parent });
    if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
    return job.getChildrenValues(); // they have ended already
  },
};

function handle(job, token) {
  const behaviour = behaviours[job.name];
  if (!behaviour) throw new UnrecoverableError(`the peer knows no behaviour ${job.name}`);
  return behaviour(job, token);
}

// ---- objects of BullMQ, one per name ---------------------------------------------------------------------------

function queue(name) {
  if (!queues.has(name)) {
    const made = new Queue(name, { connection: connection(), prefix });
    made.on('error', (error) => news(`queue:${name}`, 'error', failure(error)));
    queues.set(name, made);
  }
  return queues.get(name);
}

async function job(args) {
  const found = await queue(args.queue).getJob(args.id);
  if (!found) throw new Error(`no job ${args.id} in ${args.queue}`);
  return found;
}

function watch(worker, source) {
  worker.on('active', (job) => news(source, 'active', { jobId: job.id }));
  worker.on('progress', (job, progress) => news(source, 'progress', { jobId: job.id, progress }));
  worker.on('completed', (job, value) => news(source, 'completed', { jobId: job.id, value: value ?? null }));
  worker.on('failed', (job, error) => news(source, 'failed', { jobId: job?.id ?? null, reason: error.message }));
  worker.on('stalled', (jobId) => news(source, 'stalled', { jobId }));
  worker.on('drained', () => news(source, 'drained', {}));
  worker.on('error', (error) => news(source, 'error', failure(error)));
}

const heard = [
  'added', 'waiting', 'active', 'progress', 'completed', 'failed', 'delayed', 'stalled', 'paused', 'resumed', 'removed',
  'duplicated', 'deduplicated', 'retries-exhausted', 'drained',
];

let flows;

function flowProducer() {
  flows ??= new FlowProducer({ connection: connection(), prefix });
  return flows;
}

const describeTree = ({ job, children }) => ({ ...describe(job), children: (children ?? []).map(describeTree) });

// ---- the operations --------------------------------------------------------------------------------------------

// What BullMQ asks its cron library for: the first time after a moment.
function cronTime([pattern, tz, after]) {
  const { CronExpressionParser, parseExpression } = require('cron-parser');
  const parse = CronExpressionParser ? CronExpressionParser.parse.bind(CronExpressionParser) : parseExpression;
  try {
    return parse(pattern, { currentDate: new Date(after), tz }).next().getTime();
  } catch {
    return null;
  }
}

const operations = {
  version: () => require('bullmq/package.json').version,
  add: async ({ queue: name, name: jobName, data, opts }) => (await queue(name).add(jobName, data, opts)).id,
  addBulk: async ({ queue: name, jobs }) => (await queue(name).addBulk(jobs)).map((added) => added.id),
  getJob: async ({ queue: name, id }) => describe(await queue(name).getJob(id)),
  getState: ({ queue: name, id }) => queue(name).getJobState(id),
  getCounts: ({ queue: name, states }) => queue(name).getJobCounts(...states),
  getJobs: async ({ queue: name, states, start, end, asc }) =>
    (await queue(name).getJobs(states, start, end, asc)).map(describe),
  pause: ({ queue: name }) => queue(name).pause(),
  resume: ({ queue: name }) => queue(name).resume(),
  isPaused: ({ queue: name }) => queue(name).isPaused(),
  remove: ({ queue: name, id }) => queue(name).remove(id),
  getJobLogs: ({ queue: name, id }) => queue(name).getJobLogs(id),
  getWorkers: ({ queue: name }) => queue(name).getWorkers(),
  promote: async (args) => (await job(args)).promote(),
  retry: async (args) => (await job(args)).retry(args.state),
  updateProgress: async (args) => (await job(args)).updateProgress(args.progress),
  updateData: async (args) => (await job(args)).updateData(args.data),
  log: async (args) => (await job(args)).log(args.row),
  cut: async (args) => (await job(args)).removeChildDependency(),
  addFlow: async ({ flow, options }) => describeTree(await flowProducer().add(flow, options)),
  async getFlow({ queue: name, id }) {
    const found = await flowProducer().getFlow({ queueName: name, id });
    return found && describeTree(found);
  },
  getDependencies: async (args) => (await job(args)).getDependencies(),
  // With the events that `startEvents` reads: new ones could begin to read too late, which BullMQ does not notice.
  waitUntilFinished: async (args) => (await job(args)).waitUntilFinished(listeners.get(args.queue), args.ms),
  getDeduplicationJobId: ({ queue: name, deduplication }) => queue(name).getDeduplicationJobId(deduplication),
  upsertScheduler: async ({ queue: name, scheduler, repeat, template }) =>
    (await queue(name).upsertJobScheduler(scheduler, repeat, template))?.id ?? null,
  getScheduler: async ({ queue: name, scheduler }) => (await queue(name).getJobScheduler(scheduler)) ?? null,
  removeScheduler: ({ queue: name, scheduler }) => queue(name).removeJobScheduler(scheduler),
  cronTimes: ({ cases }) => cases.map(cronTime),

  async startWorker({ queue: name, opts }) {
    const worker = new Worker(name, handle, { connection: connection(), prefix, ...opts });
    watch(worker, `worker:${name}`);
    workers.set(name, worker);
    await worker.waitUntilReady();
  },
  async closeWorker({ queue: name, force }) {
    const worker = workers.get(name);
    workers.delete(name);
    await worker?.close(force);
  },
  async startEvents({ queue: name }) {
    const events = new QueueEvents(name, { connection: connection(), prefix, lastEventId: '0-0' });
    for (const event of heard) events.on(event, (fields) => news(`events:${name}`, event, fields ?? {}));
    events.on('error', (error) => news(`events:${name}`, 'error', failure(error)));
    listeners.set(name, events);
    await events.waitUntilReady();
  },
  async closeEvents({ queue: name }) {
    const events = listeners.get(name);
    listeners.delete(name);
    await events?.close();
  },
  // Queues are kept for the next test; a queue that a test is done with would hold a connection for nothing.
  async forget({ queue: name }) {
    await operations.closeWorker({ queue: name, force: true });
    await operations.closeEvents({ queue: name });
    const open = queues.get(name);
    queues.delete(name);
    // A connection that is closed before it is ready ends the whole process in BullMQ 5: nobody hears its error.
    await open?.waitUntilReady();
    await open?.close();
  },
};

// ---- recording: calls in the form of the golden fixtures, on a clock that stands still -------------------------

const actors = new Map();
let recorders = [];
let lastFinish;

const GoingDate = Date;

function stopClock(now) {
  globalThis.Date = class extends GoingDate {
    constructor(...given) {
      super(...(given.length ? given : [now]));
    }

    static now() {
      return now;
    }
  };
}

const isUndefined = (value) => value !== null && typeof value === 'object' && value.$undefined === true;

function received(value) {
  if (isUndefined(value)) return undefined;
  if (!value?.$error) return value;
  const Kind = value.$error.name === 'UnrecoverableError' ? UnrecoverableError : Error;
  return Object.assign(new Kind(value.$error.message), { stack: value.$error.stack });
}

const isNode = (value) => value?.job instanceof Job;

function toldNode({ job, children }) {
  return { job: { $job: job.id }, ...(children && { children: children.map(toldNode) }) };
}

function told(value) {
  if (value === undefined || value === null) return { $undefined: true };
  if (Array.isArray(value)) return value.map((item) => (item instanceof Job || isNode(item) ? told(item) : item));
  if (isNode(value)) return toldNode(value);
  return value instanceof Job ? { $job: value.id } : value;
}

async function failDeferred(worker, token) {
  const found = await worker.getNextJob(token, { block: false });
  if (!found?.deferredFailure) return found ? { id: found.id } : undefined;
  const reason = found.deferredFailure;
  const error = Object.assign(new UnrecoverableError(reason), { stack: `UnrecoverableError: ${reason}` });
  await found.moveToFailed(error, token, false);
  return { id: found.id, deferredFailure: reason };
}

const special = {
  'worker.jobFromLast': (worker) => Job.fromId(worker, lastFinish[1]),
  'worker.fetchAndFailDeferred': (worker, token) => failDeferred(worker, token),
  'job.moveToDelayedIn': (active, ms, token) => active.moveToDelayed(Date.now() + ms, token),
};

Object.assign(operations, {
  async record({ queues: names, start, queueOptions, workerOptions }) {
    stopClock(start);
    actors.clear();
    for (const name of names) {
      actors.set(`queue:${name}`, new Queue(name, { connection: connection(), prefix, ...queueOptions }));
      actors.set(`worker:${name}`, new Worker(name, undefined, { connection: connection(), prefix, autorun: false, ...workerOptions }));
    }
    actors.set('flow', new FlowProducer({ connection: connection(), prefix }));
    actors.set('eventsProducer', new QueueEventsProducer(names[0], { connection: connection(), prefix }));
    recorders = [...actors.values()];
    for (const kind of ['queue', 'worker']) actors.set(kind, actors.get(`${kind}:${names[0]}`));
    await Promise.all(recorders.map((actor) => actor.waitUntilReady?.()));
  },
  advance: ({ ms }) => stopClock(Date.now() + ms),
  async step({ step: { op, on, as, args } }) {
    const [kind, method] = op.split('.');
    const actor = actors.get(on ?? kind);
    const given = args.map(received);
    const result = await (special[op] ? special[op](actor, ...given) : actor[method](...given));
    if (method === 'moveToCompleted' || method === 'moveToFailed') lastFinish = result;
    if (as) actors.set(as, result);
    return told(result);
  },
  async stopRecording() {
    await Promise.all(recorders.map((actor) => actor.close(true)));
  },
});

async function answer(line) {
  const { id, op, args } = JSON.parse(line);
  try {
    if (!operations[op]) throw new Error(`the peer knows no operation ${op}`);
    send({ id, result: (await operations[op](args)) ?? null });
  } catch (error) {
    send({ id, error: failure(error) });
  }
}

const input = readline.createInterface({ input: process.stdin });
input.on('line', answer);
input.on('close', () => process.exit(0));
send({ source: 'peer', event: 'ready', fields: {} });
