// Live captions of the microphone or of a recording, by the server that this page came from.

import { Audio, CHUNK_SECONDS } from "./audio.js";
import { toJson, toSrt, toText, toVtt, wordsOf } from "./captions.js";
import { openMicrophone } from "./microphone.js";
import { readRecording } from "./recording.js";
import { Session } from "./session.js";
import { presignedUrl } from "./sigv4.js";
import { transcribe } from "./stream.js";
import {
  clearCaptions,
  clock,
  showFigures,
  showFinal,
  showLevel,
  showPartials,
  showProblem,
  showStreams,
} from "./view.js";

const PATH = "/stream-transcription-websocket";
const REGION = "us-east-1"; // the server takes any
const KEPT_SECONDS = 300; // of a microphone's sound, for another connection
const TIMED = 20; // final results whose latencies make the figure
const REFRESH = 2000; // milliseconds between two looks at the server's streams

const FORMS = {
  txt: { write: toText, type: "text/plain" },
  srt: { write: toSrt, type: "application/x-subrip" },
  vtt: { write: toVtt, type: "text/vtt" },
  json: { write: toJson, type: "application/json" },
};

// Ways to tell voices apart, by their checkboxes.
const WAYS = ["speakers", "channels"];

const $ = (id) => document.getElementById(id);
const session = new Session();
let finals = []; // of the stream that is shown
let name = "captions"; // of files that are downloaded
let current = null; // the stream that is under way, see `begin`

// A microphone

async function speak() {
  const stream = begin("Waiting for the microphone…");
  showFigures({ "latency-note": "from the end of the last word" });
  try {
    const arrivals = []; // when each chunk came
    const microphone = await openMicrophone(() => stream.stop("The microphone is gone."));
    const audio = new Audio({ sampleRate: microphone.sampleRate, keepSeconds: KEPT_SECONDS });
    microphone.start((pcm, peak) => {
      arrivals.push(performance.now());
      audio.push(pcm);
      showLevel(peak);
    });
    stream.onStop = async () => {
      await microphone.close();
      audio.end();
      showLevel(0);
    };
    if (stream.isStopped) await stream.onStop();
    const since = (time) => performance.now() - arrivals[Math.ceil(time / CHUNK_SECONDS) - 1];
    await follow(stream, audio, "microphone", "Listening. Press Stop when you are done.", since);
    showStatus("Done.");
  } catch (error) {
    fail(stream, error);
  } finally {
    await stream.stop();
    finish();
  }
}

// A recording

async function open(file) {
  const stream = begin(`Reading ${file.name}…`);
  try {
    showFigures({ "latency-note": "of a microphone only" });
    const audio = await readRecording(file, $("channels").checked);
    if (audio.encoding === "pcm") showFigures({ speed: `of ${clock(audio.seconds)}` });
    const start = performance.now();
    const title = file.name.replace(/\.[^.]*$/, "");
    await follow(stream, audio, title, `Transcribing ${file.name}…`);
    const seconds = (performance.now() - start) / 1000;
    if (audio.encoding === "pcm") {
      showFigures({
        audio: clock(audio.seconds),
        speed: `${(audio.seconds / seconds).toFixed(1)} times as fast as speech`,
      });
    }
    showStatus(`Done: ${file.name}.`);
  } catch (error) {
    fail(stream, error);
  } finally {
    finish();
  }
}

// Both

// Begin a stream; what the one before it said is removed.
function begin(status) {
  const stream = {
    id: crypto.randomUUID?.(),
    aborter: new AbortController(),
    isStopped: false,
    onStop: null,
    async stop(problem = "") {
      if (problem) showProblem(problem);
      if (stream.isStopped) return;
      stream.isStopped = true;
      await stream.onStop?.();
    },
  };
  current = stream;
  finals = [];
  clearCaptions();
  showProblem("");
  showFigures({ latency: "–", words: "0", confidence: "\u00a0", audio: "0:00", speed: "\u00a0" });
  showStatus(status);
  showButtons();
  return stream;
}

// Send the audio of a stream, and show what comes.
//
// title: the name of downloads.
// status: shown while a connection stands.
// since: returns the milliseconds since a time of the audio was heard, where that is known.
async function follow(stream, audio, title, status, since = null) {
  if (!globalThis.isSecureContext) {
    throw new Error("Browsers let localhost and https pages sign requests only: open one of them.");
  }
  name = title;
  const partials = new Map();
  const latencies = [];
  const sure = []; // how sure the recogniser is of each word, where it says so
  let words = 0;

  function take(result) {
    if (result.IsPartial) partials.set(result.ResultId, result);
    else takeFinal(result);
    showPartials([...partials.values()]);
    showFigures({ audio: clock(result.EndTime) });
  }

  function takeFinal(result) {
    partials.delete(result.ResultId);
    if (!result.Alternatives?.[0]?.Transcript) return;
    finals.push(result);
    showFinal(result);
    const said = wordsOf(result);
    for (const { confidence = null } of said) {
      words += 1;
      if (confidence !== null) sure.push(confidence);
    }
    showFigures({ words: String(words) });
    if (sure.length > 0) {
      const mean = sure.reduce((sum, each) => sum + each, 0) / sure.length;
      showFigures({ confidence: `${Math.round(mean * 100)} % sure on average` });
    }
    const latency = since?.(said.at(-1)?.end ?? result.EndTime);
    if (latency > 0) {
      latencies.push(latency / 1000);
      showFigures({ latency: `${median(latencies.slice(-TIMED)).toFixed(2)} s` });
    }
    showButtons();
  }

  await transcribe({
    audio,
    open: () => signedUrl(stream, audio),
    onOpen: () => {
      if (!stream.isStopped) showStatus(status);
    },
    onResult: take,
    onLost: ({ message }, attempt) => {
      partials.clear();
      showPartials([]);
      showStatus(`${message}. Nothing is lost; attempt ${attempt} to go on…`);
    },
    signal: stream.aborter.signal,
  });
  if (finals.length === 0) showProblem("Nothing was recognised.");
}

async function signedUrl(stream, audio) {
  const about = await session.about();
  const parameters = {
    "language-code": about.language,
    "media-encoding": audio.encoding,
    "sample-rate": String(audio.sampleRate),
    "session-id": stream.id,
    "enable-partial-results-stabilization": "true",
    "partial-results-stability": "high",
  };
  if (audio.channels === 2) {
    parameters["enable-channel-identification"] = "true";
    parameters["number-of-channels"] = "2";
  } else if (about.speakers && $("speakers").checked) {
    parameters["show-speaker-label"] = "true";
  }
  const base = location.origin.replace(/^http/, "ws");
  return presignedUrl(base, PATH, parameters, about, REGION, new Date());
}

function fail(stream, error) {
  if (error === stream.aborter.signal.reason) {
    showStatus("Stopped.");
  } else {
    showProblem(`${error.message}${finals.length > 0 ? " The text so far is kept." : ""}`);
    showStatus("The stream has ended early.");
  }
}

function finish() {
  current = null;
  showPartials([]);
  showButtons();
  refresh();
}

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

// Controls

function showStatus(text) {
  showFigures({ status: text });
}

function showButtons() {
  $("speak").classList.toggle("live", current !== null);
  showFigures({ "speak-label": current === null ? "Speak" : "Stop" });
  for (const id of ["open", ...WAYS]) $(id).disabled = current !== null;
  for (const button of document.querySelectorAll("[data-form]")) {
    button.disabled = finals.length === 0;
  }
}

// Stop: a microphone's last words are waited for; a second time, and a recording, at once.
function stop(stream) {
  if (stream.onStop && !stream.isStopped) {
    showStatus("Waiting for the last words… Press Stop again to leave them.");
    stream.stop();
  } else {
    stream.aborter.abort();
  }
}

function download(form) {
  const { write, type } = FORMS[form];
  const url = URL.createObjectURL(new Blob([write(finals)], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name}.${form}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

let timer = 0;

async function refresh() {
  clearTimeout(timer);
  try {
    const { engine, language, speakers } = await session.about();
    $("speakers").parentElement.hidden = !speakers;
    showFigures({ engine: `${engine} · ${language} · ${location.host}` });
    const streams = await session.streams();
    if (streams !== null) showStreams(streams, current?.id ?? "");
  } catch {
    showFigures({ engine: `No answer from ${location.host}` });
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, REFRESH);
}

$("speak").addEventListener("click", () => (current === null ? speak() : stop(current)));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) open(file);
  target.value = "";
});
for (const id of WAYS) {
  $(id).addEventListener("change", () => {
    const other = WAYS.find((way) => way !== id);
    if ($(id).checked && $(other).checked) {
      $(other).checked = false;
      showStatus("One way or the other: the service does not tell both apart in one stream.");
    }
  });
}
for (const button of document.querySelectorAll("[data-form]")) {
  button.addEventListener("click", () => download(button.dataset.form));
}
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragged");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove("dragged");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragged");
  const [file] = event.dataTransfer.files;
  if (file && current === null) open(file);
});
addEventListener("pagehide", () => session.leave());
refresh();
