// BullMQ on Node: the yardstick. Makes one measurement and prints its figures as one line of JSON.
//
// At least once: locks that are renewed, stalled jobs are recovered. Completed jobs are kept. The measurements are those of
// bench/asynchronous.py, line by line, so that both sides count the same things.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import path from 'node:path';

const require = createRequire(path.join(process.env.BENCH_NODE_PACKAGES, 'package.json'));
const { Queue, Worker } = require('bullmq');
const { Redis } = require('ioredis');

const QUEUE = 'bench';
const CHUNK = 1000;
const IN_FLIGHT = 100;
const PICKUP_WARM = 10;
const LOOK = 1; // milliseconds

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    measurement: { type: 'string' },
    jobs: { type: 'string' },
    concurrency: { type: 'string', default: '1' },
    backlog: { type: 'string', default: '0' },
  },
});
const jobs = Number(values.jobs);
const concurrency = Number(values.concurrency);
const backlog = Number(values.backlog);

const connection = () => new Redis(values.url, { maxRetriesPerRequest: null });
const meter = connection();
const producer = connection();
const queue = new Queue(QUEUE, { connection: producer });
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function read() {
  const lines = (await meter.info('cpu')).split('\r\n');
  const cpu = Object.fromEntries(lines.map((line) => line.split(':')));
  const own = process.cpuUsage();
  return {
    clock: performance.now() / 1e3,
    redis: Number(cpu.used_cpu_user) + Number(cpu.used_cpu_sys),
    own: (own.user + own.system) / 1e6,
  };
}

function between(begin, end, count) {
  return {
    jobs: count,
    rate: count / (end.clock - begin.clock),
    redis_cpu: ((end.redis - begin.redis) / count) * 1e6,
    own_cpu: ((end.own - begin.own) / count) * 1e6,
  };
}

const add = (number) => queue.add('noop', { i: number });

async function addInTurn(count) {
  for (let i = 0; i < count; i++) await add(i);
}

async function addMany(count) {
  for (let start = 0; start < count; start += CHUNK) {
    const length = Math.min(CHUNK, count - start);
    await queue.addBulk(Array.from({ length }, (_, offset) => ({ name: 'noop', data: { i: start + offset } })));
  }
}

async function timed(count, work) {
  const begin = await read();
  await work();
  return between(begin, await read(), count);
}

async function openWorker(size, handler) {
  const worker = new Worker(QUEUE, async (job) => handler(job.data.i), { connection: connection(), concurrency: size });
  worker.on('error', (error) => console.error(error));
  await worker.waitUntilReady();
  return worker;
}

const measurements = {
  async add_single() {
    await addInTurn(Math.floor(jobs / 10));
    return timed(jobs, () => addInTurn(jobs));
  },

  async add_concurrent() {
    const each = Math.max(1, Math.floor(jobs / IN_FLIGHT));
    const sideBySide = (count) => Promise.all(Array.from({ length: IN_FLIGHT }, () => addInTurn(count)));
    await sideBySide(Math.max(1, Math.floor(each / 10)));
    return timed(each * IN_FLIGHT, () => sideBySide(each));
  },

  async add_bulk() {
    const warm = Math.max(CHUNK, backlog);
    await addMany(warm);
    return { ...(await timed(jobs, () => addMany(jobs))), waiting: warm + jobs };
  },

  async process() {
    const warm = Math.max(2 * concurrency, Math.floor(jobs / 4));
    await addMany(warm + jobs + backlog);
    let count = 0;
    let begin;
    let finished;
    const done = new Promise((resolve) => { finished = resolve; });
    await openWorker(concurrency, () => {
      count += 1;
      if (count === warm) begin = read();
      else if (count === warm + jobs) finished();
    });
    await done;
    while ((await meter.zcard(`bull:${QUEUE}:completed`)) < warm + jobs) await sleep(LOOK);
    return between(await begin, await read(), jobs);
  },

  async pickup() {
    const latencies = [];
    let arrived;
    await openWorker(1, () => arrived(performance.now()));
    for (let number = 0; number < PICKUP_WARM + jobs; number++) {
      await sleep(5 + Math.random() * 20);
      const arrival = new Promise((resolve) => { arrived = resolve; });
      const sent = performance.now();
      await add(number);
      latencies.push((await arrival) - sent);
    }
    return { jobs, latencies: latencies.slice(PICKUP_WARM) };
  },
};

const figures = await measurements[values.measurement]();
console.log(JSON.stringify({ ...figures, version: require('bullmq/package.json').version }));
process.exit(0);
