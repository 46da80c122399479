// Does a task with @aws-sdk/client-transcribe-streaming over HTTP/2, and tells what came of
// it. It takes one argument, the task as JSON, and prints one line of JSON, as original.py.
// Not an ES module: only require() finds packages by NODE_PATH.

const { readFileSync } = require("node:fs");
const sdk = require("@aws-sdk/client-transcribe-streaming");

function samples(path) {
  const wav = readFileSync(path);
  return wav.subarray(wav.indexOf("data") + 8);
}

async function* input(task) {
  yield* task.before;
  const pcm = samples(task.audio);
  for (let at = 0; at < pcm.length; at += task.chunk) {
    yield { AudioEvent: { AudioChunk: pcm.subarray(at, at + task.chunk) } };
  }
  yield* task.after;
}

async function perform(task, options, events) {
  const client = new sdk.TranscribeStreamingClient({
    region: "us-east-1",
    endpoint: task.endpoint,
    credentials: { accessKeyId: task.key, secretAccessKey: task.secret },
    maxAttempts: 1,
    ...options,
  });
  const isGet = task.operation.startsWith("Get");
  const stream = task.operation.includes("Scribe") ? "InputStream" : "AudioStream";
  try {
    const answer = await client.send(
      new sdk[`${task.operation}Command`]({
        ...task.parameters,
        ...(isGet ? {} : { [stream]: input(task) }),
      }),
    );
    if (isGet) {
      events.push(answer);
      return;
    }
    const output = Object.values(answer).find((member) => member?.[Symbol.asyncIterator]);
    for await (const event of output) events.push(event);
  } finally {
    client.destroy();
  }
}

async function main(options) {
  const events = [];
  let error = null;
  try {
    await perform(JSON.parse(process.argv[2]), options, events);
  } catch (raised) {
    error = { class: raised.name, code: raised.$fault ?? null, message: raised.message };
  }
  console.log(JSON.stringify({ events, error }));
}

if (require.main === module) main({});
module.exports = { main };
