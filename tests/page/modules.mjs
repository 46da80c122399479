// Runs the page's modules in Node for test_modules.py: a task's name and JSON in, JSON out.

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";

import { Audio } from "../../amazon_transcribe/local/page/audio.js";
import * as captions from "../../amazon_transcribe/local/page/captions.js";
import {
  crc32,
  encodeMessage,
  EventStreamDecoder,
} from "../../amazon_transcribe/local/page/eventstream.js";
import { presignedUrl } from "../../amazon_transcribe/local/page/sigv4.js";

const TASKS = {
  // Each vector whole and in pieces; every way must come to the same.
  decode: (vectors) =>
    vectors.map((vector) => {
      const data = dataOf(vector);
      const ways = [data.length, 1009, ...(data.length < 20_000 ? [1] : [])];
      const outcomes = ways.map((size) => JSON.stringify(read(data, size)));
      return new Set(outcomes).size === 1 ? JSON.parse(outcomes[0]) : outcomes;
    }),
  encode: ({ headers, payload }) =>
    Buffer.from(encodeMessage(headers, Buffer.from(payload, "base64"))).toString("base64"),
  presign: ({ base, path, parameters, keys, now }) =>
    presignedUrl(base, path, parameters, keys, "us-west-2", new Date(now)),
  write: (results) => ({
    txt: captions.toText(results),
    srt: captions.toSrt(results),
    vtt: captions.toVtt(results),
    json: captions.toJson(results),
  }),
  // What is kept of a long silence, and what is read of it again.
  keep: async ({ seconds, keepSeconds }) => {
    const audio = new Audio({ sampleRate: 8000, keepSeconds });
    for (let tenth = 0; tenth < seconds * 10; tenth += 1) audio.push(new Uint8Array(1600));
    audio.end();
    let length = 0;
    for (;;) {
      const chunk = await audio.read(audio.begin + length);
      if (chunk === null) return { begin: audio.begin, length };
      length += chunk.length;
    }
  },
};

function dataOf({ b64, recipe }) {
  if (b64 !== undefined) return new Uint8Array(Buffer.from(b64, "base64"));
  const data = new Uint8Array(recipe.payload_len + 16);
  const view = new DataView(data.buffer);
  data.fill(parseInt(recipe.payload_fill_hex, 16));
  view.setUint32(0, data.length);
  view.setUint32(4, 0);
  view.setUint32(8, crc32(data.subarray(0, 8)));
  view.setUint32(data.length - 4, crc32(data.subarray(0, -4)));
  return data;
}

function read(data, size) {
  const decoder = new EventStreamDecoder();
  const messages = [];
  let outcome = "accept";
  try {
    for (let at = 0; at < data.length; at += size) {
      messages.push(...decoder.feed(data.subarray(at, at + size)));
    }
    decoder.close();
  } catch (error) {
    if (error.name !== "EventStreamError") throw error;
    outcome = error.isTruncated ? "incomplete" : "reject";
  }
  return { outcome, messages: data.length < 1_000_000 ? messages.map(plain) : null };
}

function plain({ headers, payload }) {
  const value = (each) => {
    if (each instanceof Uint8Array) return Buffer.from(each).toString("base64");
    return typeof each === "bigint" || typeof each === "number" ? String(each) : each;
  };
  return {
    headers: Array.from(headers, ([name, each]) => [name, value(each)]),
    payload: Buffer.from(payload).toString("base64"),
  };
}

const [, , task, file] = argv;
stdout.write(JSON.stringify(await TASKS[task](JSON.parse(readFileSync(file, "utf-8")))));
