// Streams a recording with @aws-sdk/client-transcribe-streaming over HTTP/2, and tells what
// came of it. It takes one argument, the task as JSON, and prints one line of JSON, as
// original.py. Not an ES module: only require() finds packages by NODE_PATH.

const { readFileSync } = require("node:fs");
const {
  StartStreamTranscriptionCommand,
  TranscribeStreamingClient,
} = require("@aws-sdk/client-transcribe-streaming");

function samples(path) {
  const wav = readFileSync(path);
  return wav.subarray(wav.indexOf("data") + 8);
}

async function* audio(task) {
  const pcm = samples(task.audio);
  for (let at = 0; at < pcm.length; at += task.chunk) {
    yield { AudioEvent: { AudioChunk: pcm.subarray(at, at + task.chunk) } };
  }
}

async function transcribe(task, options, finals) {
  const client = new TranscribeStreamingClient({
    region: "us-east-1",
    endpoint: task.endpoint,
    credentials: { accessKeyId: task.key, secretAccessKey: task.secret },
    maxAttempts: 1,
    ...options,
  });
  try {
    const answer = await client.send(
      new StartStreamTranscriptionCommand({
        LanguageCode: task.language,
        MediaSampleRateHertz: task.sample_rate,
        MediaEncoding: "pcm",
        ...task.parameters,
        AudioStream: audio(task),
      }),
    );
    for await (const event of answer.TranscriptResultStream) {
      for (const result of event.TranscriptEvent?.Transcript?.Results ?? []) {
        if (result.IsPartial) continue;
        const channel = result.ChannelId ? `${result.ChannelId}: ` : "";
        finals.push(channel + result.Alternatives[0].Transcript);
      }
    }
  } finally {
    client.destroy();
  }
}

async function main(options) {
  const finals = [];
  let error = null;
  try {
    await transcribe(JSON.parse(process.argv[2]), options, finals);
  } catch (raised) {
    error = { class: raised.name, code: raised.$fault ?? null, message: raised.message };
  }
  console.log(JSON.stringify({ finals, error }));
}

if (require.main === module) main({});
module.exports = { main };
