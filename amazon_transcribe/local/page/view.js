// What the page shows: captions, figures, the table of streams.

import { runsOf, toText, wordsOf } from "./captions.js";

const UNSURE = 0.6;
const VOICES = 6; // colours in style.css

const $ = (id) => document.getElementById(id);
const captions = $("captions");

// Remove everything that was said.
export function clearCaptions() {
  $("lines").replaceChildren();
  $("partials").replaceChildren();
  $("empty").hidden = true;
}

// Add a final result.
export function showFinal(result) {
  const line = element("li", { class: "line" });
  const details = element("details", {}, [
    element("summary", { title: "Show the words of this line" }, [clock(result.StartTime ?? 0)]),
  ]);
  details.addEventListener("toggle", () => details.append(listOf(result)), { once: true });
  keepingPlace(() => {
    line.append(details, spoken(result));
    $("lines").append(line);
  });
  $("announcer").textContent = toText([result]);
}

// Show the results that may still change, instead of those before.
export function showPartials(results) {
  keepingPlace(() => $("partials").replaceChildren(...results.map(spoken)));
}

// Show figures, by the ids of their elements.
export function showFigures(figures) {
  for (const [id, text] of Object.entries(figures)) $(id).textContent = text;
}

// Show how loud the microphone is, from 0 to 1.
export function showLevel(peak) {
  $("speak").style.setProperty("--level", Math.sqrt(peak).toFixed(3));
}

// Show what went wrong; with "" that nothing did.
export function showProblem(text) {
  $("problem").hidden = text === "";
  $("problem").textContent = text;
}

// Show the server's streams.
//
// ownSession: the session id of this page's stream.
export function showStreams({ open, streams }, ownSession) {
  $("open-streams").textContent = `${open} open`;
  const rows = streams.map((stream) =>
    element("tr", { class: stream.end ?? "open" }, [
      element("th", { scope: "row" }, [
        readable(stream.operation),
        ...(stream.session === ownSession ? [element("b", {}, ["this page"])] : []),
      ]),
      element("td", { class: "wide" }, [stream.client]),
      element("td", { class: "number" }, [clock(stream.audioSeconds)]),
      element("td", { class: "number" }, [milliseconds(stream.lag)]),
      element("td", { title: stream.reason }, [
        element("span", { class: "state" }, [stream.end ?? "open"]),
        ...(stream.reason ? [element("small", {}, [stream.reason])] : []),
      ]),
    ]),
  );
  const none = element("tr", {}, [element("td", { colspan: "5" }, ["None yet."])]);
  $("streams").replaceChildren(...(rows.length > 0 ? rows : [none]));
}

// Write seconds as minutes and seconds.
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Make an element.
function element(name, attributes, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The words of a result, in runs of the same voice.
function spoken(result) {
  const runs = runsOf(result).map(({ voice, words }) => {
    const run = element("span", { class: `voice ${colourOf(voice)}` });
    if (voice !== "") run.append(element("b", {}, [voice]), " ");
    for (const word of words) run.append(wordElement(word, result.IsPartial), " ");
    return run;
  });
  return element("p", {}, runs);
}

function wordElement({ text, confidence, isStable }, isPartial) {
  const classes = ["word"];
  if (isPartial) classes.push(isStable ? "stable" : "open");
  if (confidence !== undefined && confidence < UNSURE) classes.push("unsure");
  const attributes = { class: classes.join(" ") };
  if (confidence !== undefined) attributes.title = `${percent(confidence)} sure`;
  return element("span", attributes, [text]);
}

// The words of a line with their times and confidences, for all who do not hover.
function listOf(result) {
  const rows = wordsOf(result).map(({ text, start, confidence }) =>
    element("li", {}, [
      element("b", {}, [text]),
      ` ${start.toFixed(2)} s`,
      confidence === undefined ? "" : `, ${percent(confidence)} sure`,
    ]),
  );
  return element("ul", { class: "words" }, rows);
}

function colourOf(voice) {
  return voice && `voice-${(Number(voice.split(" ")[1]) - 1) % VOICES}`;
}

// Change the captions; who read their end still does afterwards.
function keepingPlace(change) {
  const isAtEnd = captions.scrollHeight - captions.scrollTop - captions.clientHeight < 40;
  change();
  if (isAtEnd) captions.scrollTop = captions.scrollHeight;
}

function readable(operation) {
  const name = operation.replace(/^(Start|Get)|Stream(Transcription)?$/g, "");
  return name.replace(/([a-z])([A-Z])/g, "$1 $2") || "Transcription";
}

function milliseconds(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

function percent(part) {
  return `${Math.round(part * 100)} %`;
}
