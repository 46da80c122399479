// A recording, decoded by the browser.

import { Audio } from "./audio.js";

const RATE = 16_000;

// What the server decodes where the browser cannot, by its first bytes.
const AS_IT_IS = [
  { encoding: "flac", isOf: (start) => start.startsWith("fLaC") },
  { encoding: "ogg-opus", isOf: (start) => start.startsWith("OggS") && start.includes("OpusHead") },
];

// Read a File into an Audio that has ended.
//
// isApart: whether the first two channels are to be told apart, instead of mixed.
//
// It rejects with an Error that says what to do.
export async function readRecording(file, isApart) {
  const bytes = await file.arrayBuffer().catch(() => {
    throw new Error(`${file.name} cannot be read: it is too large for the browser, or gone.`);
  });
  const start = String.fromCharCode(...new Uint8Array(bytes.slice(0, 64)));
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.slice(0));
  } catch {
    const known = AS_IT_IS.find(({ isOf }) => isOf(start));
    if (known && !isApart) return whole({ ...known, sampleRate: RATE }, new Uint8Array(bytes));
    throw new Error(
      `The browser finds no sound in ${file.name}. The command reads more kinds of recordings:` +
        " amazon-transcribe transcribe --local FILE",
    );
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, number) =>
    decoded.getChannelData(number),
  );
  if (isApart && channels.length < 2) {
    throw new Error(`${file.name} has one channel only: there are no two to tell apart.`);
  }
  const sent = isApart ? channels.slice(0, 2) : [mixed(channels)];
  return whole({ sampleRate: RATE, channels: sent.length }, pcmOf(sent));
}

function whole(format, bytes) {
  const audio = new Audio(format);
  audio.push(bytes);
  audio.end();
  return audio;
}

function mixed(channels) {
  const [first, ...others] = channels;
  if (others.length === 0) return first;
  return first.map(
    (sample, at) => others.reduce((sum, other) => sum + other[at], sample) / channels.length,
  );
}

// Return 16-bit little-endian samples, those of the channels in turn.
function pcmOf(channels) {
  const length = channels[0].length;
  const view = new DataView(new ArrayBuffer(length * channels.length * 2));
  for (let at = 0; at < length; at += 1) {
    channels.forEach((samples, number) => {
      const value = Math.max(-1, Math.min(1, samples[at]));
      view.setInt16((at * channels.length + number) * 2, value * 0x7fff, true);
    });
  }
  return new Uint8Array(view.buffer);
}
