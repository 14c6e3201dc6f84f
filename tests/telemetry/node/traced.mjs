// A Node process with a real BullMQ and its OpenTelemetry plug-in.
//
//   node traced.mjs <folder with node_modules> <redis url> <prefix of all keys> <url of the collector> <what> <arguments>
//
//   add <queue> <name> <data>    adds a job within a span "request", and ends
//   work <queue>                 works the queue until its stdin ends; a job with data.to adds one to that queue
//
// It prints a line of JSON when it is ready, and sends its spans before it ends.

import { createRequire } from 'node:module';
import path from 'node:path';

const [folder, url, prefix, collector, what, ...rest] = process.argv.slice(2);
const require = createRequire(path.join(folder, 'package.json'));
const { Queue, Worker } = require('bullmq');
const { BullMQOtel } = require('bullmq-otel');
const { trace } = require('@opentelemetry/api');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');

const provider = new NodeTracerProvider({
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${collector}/v1/traces` }))],
});
provider.register();
const tracer = trace.getTracer('peer');
const telemetry = folder.includes('-5.') ? new BullMQOtel('peer') : new BullMQOtel({ tracerName: 'peer' });
const address = new URL(url);
const connection = { host: address.hostname, port: Number(address.port), db: Number(address.pathname.slice(1) || 0), maxRetriesPerRequest: null };
const options = { connection, prefix, telemetry };

async function add(queueName, name, data) {
  const queue = new Queue(queueName, options);
  const job = await queue.add(name, data);
  await queue.close();
  return job.id;
}

if (what === 'add') {
  const [queueName, name, data] = rest;
  const id = await tracer.startActiveSpan('request', async (span) => {
    const made = await add(queueName, name, JSON.parse(data));
    span.end();
    return made;
  });
  console.log(JSON.stringify({ id }));
} else {
  const handle = async (job) => {
    const span = tracer.startSpan('handler');
    span.end();
    if (job.data.to) await add(job.data.to, job.data.name, job.data.data);
    return 'done in Node';
  };
  const worker = new Worker(rest[0], handle, options);
  await worker.waitUntilReady();
  console.log(JSON.stringify({ ready: true }));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on('end', resolve));
  await worker.close();
}
await provider.shutdown();
process.exit(0);
