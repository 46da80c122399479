// The final results of a stream as files: text, SRT, WebVTT, JSON.

const LINE_WIDTH = 42; // characters
const MAX_LINES = 2;
const MAX_SECONDS = 7;
const MIN_SECONDS = 0.8;
const PAUSE_SECONDS = 0.8;

// Return who speaks in a result, "" where nobody is told apart.
export function voiceOf(result, item = {}) {
  if (item.Speaker !== undefined) return `Speaker ${Number(item.Speaker) + 1}`;
  return result.ChannelId ? `Channel ${Number(result.ChannelId.slice(3)) + 1}` : "";
}

// Return the words of a result with their punctuation: {text, start, end, confidence, isStable}.
export function wordsOf(result) {
  const words = [];
  for (const item of result.Alternatives?.[0]?.Items ?? []) {
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

export function toText(results) {
  const lines = results.map((result) => {
    const voice = voiceOf(result);
    return `${voice && `${voice}: `}${result.Alternatives[0].Transcript}\n`;
  });
  return lines.join("");
}

export function toSrt(results) {
  const blocks = cuesOf(results).map(({ start, end, lines, voice }, index) => {
    const text = [`${voice && `${voice}: `}${lines[0]}`, ...lines.slice(1)].join("\n");
    return `${index + 1}\n${time(start, ",")} --> ${time(end, ",")}\n${text}\n`;
  });
  return blocks.join("\n");
}

export function toVtt(results) {
  const blocks = cuesOf(results).map(({ start, end, lines, voice }) => {
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

// Return the cues in the order of their times: {start, end, lines, voice}.
function cuesOf(results) {
  const cues = results.flatMap((result) =>
    grouped(wordsOf(result)).map((words) => ({
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
    last.voice !== word.voice ||
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
