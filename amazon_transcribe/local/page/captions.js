// The final results of a stream as files: text, SRT, WebVTT, JSON.

const LINE_WIDTH = 42; // characters
const MAX_LINES = 2;
const MAX_SECONDS = 7;
const MIN_SECONDS = 1;
const PAUSE_SECONDS = 0.8;
const TURN_SECONDS = 0.25;

// Return the words of a result with their punctuation:
// {text, start, end, confidence, isStable, voice}.
//
// voice: who speaks, "" where nobody is told apart.
export function wordsOf(result) {
  const words = [];
  for (const item of itemsOf(result)) {
    const last = words.at(-1);
    if (item.Type === "punctuation" && last) {
      last.text += item.Content;
    } else {
      words.push({
        text: item.Content,
        start: item.StartTime ?? result.StartTime,
        end: item.EndTime ?? result.EndTime,
        confidence: item.Confidence,
        isStable: item.Stable ?? false,
        voice: voiceOf(result, item),
      });
    }
  }
  return words;
}

// Return the words of a result in runs of one voice: {voice, words}.
export function runsOf(result) {
  const runs = [];
  for (const word of wordsOf(result)) {
    if (runs.at(-1)?.voice !== word.voice) runs.push({ voice: word.voice, words: [] });
    runs.at(-1).words.push(word);
  }
  return runs;
}

export function toText(results) {
  const lines = results.flatMap(runsOf).map(({ voice, words }) => {
    const text = words.map((word) => word.text).join(" ");
    return `${voice && `${voice}: `}${text}\n`;
  });
  return lines.join("");
}

export function toSrt(results) {
  const blocks = cuesOf(results.map(namedTurnsOf)).map(({ start, end, lines }, index) => {
    const times = `${time(start, ",")} --> ${time(end, ",")}`;
    return `${index + 1}\n${times}\n${lines.join("\n")}\n`;
  });
  return blocks.join("\n");
}

export function toVtt(results) {
  const blocks = cuesOf(results.map(turnsOf)).map(({ start, end, lines, voice }) => {
    const text = lines.map(escaped).join("\n");
    return `\n${time(start, ".")} --> ${time(end, ".")}\n${voice && `<v ${voice}>`}${text}\n`;
  });
  return `WEBVTT\n${blocks.join("")}`;
}

// The document that the command writes too.
export function toJson(results) {
  const transcript = results.map((result) => result.Alternatives[0].Transcript).join(" ");
  return `${JSON.stringify({ transcript, results }, null, 2)}\n`;
}

// Return a result's items; its text as one of them, where it has none.
function itemsOf(result) {
  const { Items: items = [], Transcript: text = "" } = result.Alternatives?.[0] ?? {};
  return items.length > 0 || text === "" ? items : [{ Content: text }];
}

function voiceOf(result, item) {
  if (item.Speaker !== undefined) return `Speaker ${Number(item.Speaker) + 1}`;
  return result.ChannelId ? `Channel ${Number(result.ChannelId.slice(3)) + 1}` : "";
}

// Divide the words of a result by voice, and where another one speaks in between. What is said
// while a voice goes on does not interrupt it.
function turnsOf(result) {
  const turns = [];
  const latest = new Map(); // the turn of each voice
  let voice = null; // of the word before
  for (const word of wordsOf(result)) {
    const turn = latest.get(word.voice);
    const hasPause = turn && word.start - turn.at(-1).end >= TURN_SECONDS;
    if (turn && (voice === word.voice || !hasPause)) {
      turn.push(word);
    } else {
      turns.push([word]);
      latest.set(word.voice, turns.at(-1));
    }
    voice = word.voice;
  }
  return turns;
}

// The turns of a result, each with the name of its voice as the first word.
function namedTurnsOf(result) {
  return turnsOf(result).map((turn) => {
    const [{ voice, start }] = turn;
    return voice === "" ? turn : [{ text: `${voice}:`, start, end: start, voice }, ...turn];
  });
}

// Return the cues of turns in the order of their times: {start, end, lines, voice}. Those of one
// voice follow each other; those of others may overlap them.
function cuesOf(turns) {
  const cues = turns.flat().flatMap((turn) =>
    grouped(turn).map((words) => ({
      start: words[0].start,
      end: Math.max(words.at(-1).end, words[0].start + MIN_SECONDS),
      lines: filled(words.map(({ text }) => text)),
      voice: words[0].voice,
    })),
  );
  cues.sort((one, other) => one.start - other.start);
  const next = new Map(); // the start of each voice's next cue
  for (const cue of cues.toReversed()) {
    cue.end = Math.min(cue.end, next.get(cue.voice) ?? Infinity);
    next.set(cue.voice, cue.start);
  }
  return cues;
}

// Group words into cues: at the ends of sentences, at pauses, and where there is no more room.
function grouped(words) {
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    if (group && !endsBefore(group, word)) group.push(word);
    else groups.push([word]);
  }
  return groups;
}

function endsBefore(group, word) {
  const last = group.at(-1);
  return (
    /[.?!]$/.test(last.text) ||
    word.start - last.end >= PAUSE_SECONDS ||
    word.end - group[0].start > MAX_SECONDS ||
    filled([...group, word].map(({ text }) => text)).length > MAX_LINES
  );
}

// Break words into lines.
function filled(words) {
  const lines = [];
  for (const word of words) {
    const line = `${lines.at(-1) ?? ""} ${word}`.trimStart();
    if (lines.length > 0 && line.length <= LINE_WIDTH) lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines;
}

function time(seconds, point) {
  const milliseconds = Math.round(seconds * 1000);
  const parts = [3_600_000, 60_000, 1000].map((unit, index) => {
    const whole = Math.floor(milliseconds / unit);
    return String(index === 0 ? whole : whole % 60).padStart(2, "0");
  });
  return `${parts.join(":")}${point}${String(milliseconds % 1000).padStart(3, "0")}`;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
