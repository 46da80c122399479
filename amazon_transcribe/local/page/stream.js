// One stream of captions, over as many WebSocket connections as it takes.

import { encodeMessage, EventStreamDecoder, EventStreamError } from "./eventstream.js";

const PAUSES = [0.25, 0.5, 1, 2, 4]; // seconds before each new attempt
const OPEN_TIMEOUT = 10; // seconds for a connection
const END_TIMEOUT = 30; // seconds without a message once all audio is sent
const MAX_UNSENT = 1024 * 1024; // bytes
const SAME = 0.1; // seconds that a result's end may move when its audio is sent again

const TRANSIENT = ["InternalFailureException", "ServiceUnavailableException"];
const AUDIO_EVENT = {
  ":message-type": "event",
  ":event-type": "AudioEvent",
  ":content-type": "application/octet-stream",
};

// The server ended the stream with an exception of the service.
export class Refused extends Error {
  constructor(name, message) {
    super(`${name}: ${message}`);
    this.name = name;
  }
}

// A connection broke, or could not be made; another attempt may help.
export class ConnectionLost extends Error {}

// Send all audio and report its results; resolve once the server has sent the last one.
//
// audio: an Audio, which may still grow.
// open: returns the promise of a URL for a new connection.
// onOpen: called when a connection has been made.
// onResult: called with each result; its times count from the beginning of the audio.
// onLost: called before a new attempt, with the reason and which one it is, from 1 on.
// signal: an AbortSignal that ends it at once.
//
// It rejects with Refused, ConnectionLost or what `open` rejects with. After a ConnectionLost,
// `open`'s too, it tries again.
export async function transcribe({ audio, open, onOpen, onResult, onLost, signal }) {
  const channels = audio.channels === 2 ? ["ch_0", "ch_1"] : [undefined];
  const settled = new Map(channels.map((channel) => [channel, 0])); // ends of final results
  let failures = 0;
  let speakers = 0; // so far: each connection numbers its own from 0 on

  function takeResult(result, base, known) {
    const moved = shifted(result, base, known);
    if (moved.EndTime <= settled.get(moved.ChannelId) + SAME) return; // it has been heard before
    failures = 0;
    if (!moved.IsPartial) {
      settled.set(moved.ChannelId, moved.EndTime);
      audio.drop(audio.byteAt(Math.min(...settled.values())));
      speakers = Math.max(speakers, ...speakersOf(moved).map((speaker) => speaker + 1));
    }
    onResult(moved);
  }

  for (;;) {
    try {
      const url = await open();
      const from = Math.max(audio.byteAt(Math.min(...settled.values())), audio.begin);
      const base = from / audio.bytesPerSecond;
      const known = speakers;
      const take = (result) => takeResult(result, base, known);
      return await converse({ url, audio, from, onOpen, onResult: take, signal });
    } catch (error) {
      if (!(error instanceof ConnectionLost) || signal.aborted) throw error;
      if (failures === PAUSES.length) throw error;
      failures += 1;
      onLost(error, failures);
      await new Promise((resolve) => setTimeout(resolve, PAUSES[failures - 1] * 1000));
    }
  }
}

// Send the audio from a byte on over one connection; resolve at its clean end.
async function converse({ url, audio, from, onOpen, onResult, signal }) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const decoder = new EventStreamDecoder();
  let timer = 0;
  let isSent = false;

  const ended = new Promise((resolve, reject) => {
    function expectMore(seconds) {
      clearTimeout(timer);
      timer = setTimeout(
        () => reject(new ConnectionLost("The server does not answer")),
        seconds * 1000,
      );
    }
    expectMore(OPEN_TIMEOUT);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    socket.onopen = () => {
      clearTimeout(timer);
      onOpen();
      send(socket, audio, from).then((isWhole) => {
        isSent = isWhole;
        if (isWhole) expectMore(END_TIMEOUT);
      }, reject);
    };
    socket.onmessage = ({ data }) => {
      if (isSent) expectMore(END_TIMEOUT);
      try {
        for (const message of decoder.feed(new Uint8Array(data))) {
          resultsOf(message).forEach(onResult);
        }
      } catch (error) {
        reject(error);
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (isSent && code === 1000) resolve();
      else reject(new ConnectionLost(`The connection was lost (${code}${reason && `, ${reason}`})`));
    };
  });
  try {
    signal.throwIfAborted();
    await ended;
    decoder.close();
  } catch (error) {
    throw error instanceof EventStreamError ? new ConnectionLost(error.message) : error;
  } finally {
    clearTimeout(timer);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

// Send audio and its end; tell whether the connection stood so long.
async function send(socket, audio, from) {
  let position = from;
  for (;;) {
    const chunk = await audio.read(position);
    while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount > MAX_UNSENT) {
      await new Promise((resolve) => setTimeout(resolve, 20)); // no event tells it
    }
    if (socket.readyState !== WebSocket.OPEN) return false;
    socket.send(encodeMessage(AUDIO_EVENT, chunk ?? new Uint8Array(0)));
    if (chunk === null) return true;
    position += chunk.length;
  }
}

function resultsOf({ headers, payload }) {
  const text = new TextDecoder().decode(payload);
  if (headers.get(":message-type") === "event") {
    return JSON.parse(text).Transcript?.Results ?? [];
  }
  const name = headers.get(":exception-type") ?? headers.get(":error-code") ?? "Error";
  if (TRANSIENT.includes(name)) throw new ConnectionLost(name);
  throw new Refused(name, text && (JSON.parse(text).Message ?? ""));
}

function speakersOf(result) {
  const items = result.Alternatives?.[0]?.Items ?? [];
  return items.filter((item) => item.Speaker !== undefined).map((item) => Number(item.Speaker));
}

// Return a result whose times are moved by seconds, and whose speakers are numbered after those
// that are known: a connection cannot tell who of them speaks again.
function shifted(result, seconds, known) {
  if (seconds === 0) return result;
  const moved = (part) => ({
    ...part,
    StartTime: part.StartTime === undefined ? undefined : part.StartTime + seconds,
    EndTime: part.EndTime === undefined ? undefined : part.EndTime + seconds,
    Speaker: part.Speaker === undefined ? undefined : String(Number(part.Speaker) + known),
  });
  const alternatives = (result.Alternatives ?? []).map((alternative) => ({
    ...alternative,
    Items: (alternative.Items ?? []).map(moved),
  }));
  return { ...moved(result), Alternatives: alternatives };
}
