// The microphone, as 16-bit mono chunks.

import { CHUNK_SECONDS } from "./audio.js";

const MAX_RATE = 48_000; // the service's
const FLUSH_TIMEOUT = 1000; // milliseconds for the last chunk

// Open the microphone.
//
// onGone: called when the microphone is unplugged, or taken away by the browser.
//
// It resolves with {sampleRate, start, close}, and rejects with an Error that says what to do.
// `start` takes a function that is called with each chunk, a Uint8Array, and its peak from 0
// to 1; `close` resolves after the last of them.
export async function openMicrophone(onGone) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give the microphone to localhost and to https pages only.");
  }
  const media = await navigator.mediaDevices
    .getUserMedia({ audio: { channelCount: 1 } })
    .catch((error) => {
      throw new Error(WHY[error.name] ?? `The microphone cannot be used: ${error.message}`);
    });
  let context = new AudioContext({ latencyHint: "interactive" });
  if (context.sampleRate > MAX_RATE) {
    context.close();
    context = new AudioContext({ sampleRate: MAX_RATE });
  }
  const { sampleRate } = context;
  await context.audioWorklet.addModule("/page/recorder.js");
  const recorder = new AudioWorkletNode(context, "recorder", {
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { frames: Math.round(sampleRate * CHUNK_SECONDS) },
  });
  media.getAudioTracks().forEach((track) => track.addEventListener("ended", onGone));
  await context.resume();
  let flushed;

  function start(onChunk) {
    flushed = new Promise((resolve) => {
      recorder.port.onmessage = ({ data }) => {
        if (data === null) resolve();
        else onChunk(new Uint8Array(data.pcm), data.peak);
      };
    });
    context.createMediaStreamSource(media).connect(recorder).connect(context.destination);
  }

  async function close() {
    recorder.port.postMessage("stop");
    await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, FLUSH_TIMEOUT))]);
    media.getTracks().forEach((track) => track.stop());
    await context.close();
  }
  return { sampleRate, start, close };
}

const WHY = {
  NotAllowedError: "The microphone is not allowed. Allow it beside the address, then try again.",
  NotFoundError: "There is no microphone. Plug one in, or open a file.",
  NotReadableError: "Another program uses the microphone. Close that one, then try again.",
};
