// Measure Node's codec: `node worker.mjs CORPUS`, copied into the folder of its packages.
//
// Prints one JSON object like worker.py's. Time is the thread's CPU time where Node tells it
// (since 23.9), else the whole process's, its compiler's and collector's threads included.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { EventStreamCodec } from "@smithy/eventstream-codec";
import { fromUtf8, toUtf8 } from "@smithy/util-utf8";

const BATCHES = 8;
const BATCH_MICROSECONDS = 4000;
// The compiler has done its work by then.
const WARM_UP = 20000;
const AUDIO = {
  ":message-type": { type: "string", value: "event" },
  ":event-type": { type: "string", value: "AudioEvent" },
  ":content-type": { type: "string", value: "application/octet-stream" },
};

const codec = new EventStreamCodec(toUtf8, fromUtf8);
const folder = process.argv[2];

function microseconds() {
  const usage = (process.threadCpuUsage ?? process.cpuUsage).call(process);
  return usage.user + usage.system;
}

function measure(work) {
  const time = (count) => {
    const start = microseconds();
    for (let i = 0; i < count; i++) work();
    return microseconds() - start;
  };
  const count = Math.ceil((BATCH_MICROSECONDS * WARM_UP) / Math.max(time(WARM_UP), 1));
  return Array.from({ length: BATCHES }, () => (time(count) * 1000) / count);
}

const figures = {};
for (const file of readdirSync(folder)) {
  const [kind, name] = file.replace(".bin", "").split(/-(.*)/);
  const data = new Uint8Array(readFileSync(join(folder, file)));
  if (kind === "event") figures[`decode ${name}`] = measure(() => codec.decode(data).headers);
  else figures[`encode ${name}`] = measure(() => codec.encode({ headers: AUDIO, body: data }));
}
console.log(JSON.stringify(figures));
