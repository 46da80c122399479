// The event-stream wire format: messages of headers and a payload, each with its lengths and
// two CRCs. docs/topics/wire-format.md draws the layout. What the format forbids is refused.

export const MAX_PAYLOAD_LENGTH = 24 * 1024 * 1024;
export const MAX_HEADERS_LENGTH = 128 * 1024;
const MAX_VALUE_LENGTH = 32 * 1024 - 1;

const PRELUDE_LENGTH = 12;
const OVERHEAD = 16;
const STRING = 7;

// Bytes that are no event stream, or one that ends inside a message.
export class EventStreamError extends Error {
  constructor(message, isTruncated = false) {
    super(message);
    this.name = "EventStreamError";
    this.isTruncated = isTruncated;
  }
}

// Write one message. Headers are an object of strings, the payload a Uint8Array.
export function encodeMessage(headers, payload) {
  const block = encodeHeaders(headers);
  const message = new Uint8Array(block.length + payload.length + OVERHEAD);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length);
  view.setUint32(4, block.length);
  view.setUint32(8, crc32(message.subarray(0, 8)));
  message.set(block, PRELUDE_LENGTH);
  message.set(payload, PRELUDE_LENGTH + block.length);
  view.setUint32(message.length - 4, crc32(message.subarray(0, -4)));
  return message;
}

// A decoder of a stream's bytes, wherever they are cut.
export class EventStreamDecoder {
  #unfinished = new Uint8Array(0); // its buffer has room for the whole message, once known
  #length = 0;
  #error = null;

  // Take a Uint8Array and return the messages that it completes, as {headers, payload}. A
  // fault behind whole messages is thrown by the next call.
  feed(data) {
    if (this.#error) throw this.#error;
    const messages = [];
    try {
      let position = 0;
      while (position < data.length) position += this.#take(data.subarray(position), messages);
    } catch (error) {
      this.#error = error;
      if (messages.length === 0) throw error;
    }
    return messages;
  }

  // Declare the end of the stream.
  close() {
    if (!this.#error && this.#length > 0) {
      const message = `The stream ended ${this.#length} bytes into a message`;
      this.#error = new EventStreamError(message, true);
    }
    if (this.#error) throw this.#error;
  }

  // Take bytes up to the end of the prelude, or of the message; return how many.
  #take(data, messages) {
    const wanted = this.#length < PRELUDE_LENGTH ? PRELUDE_LENGTH : this.#unfinished.length;
    if (this.#unfinished.length < wanted) this.#unfinished = new Uint8Array(wanted);
    const taken = data.subarray(0, wanted - this.#length);
    this.#unfinished.set(taken, this.#length);
    this.#length += taken.length;
    if (this.#length < wanted) return taken.length;
    if (wanted === PRELUDE_LENGTH) {
      const whole = new Uint8Array(checkedLength(this.#unfinished));
      whole.set(this.#unfinished);
      this.#unfinished = whole;
    } else {
      messages.push(readMessage(this.#unfinished));
      this.#unfinished = new Uint8Array(0);
      this.#length = 0;
    }
    return taken.length;
  }
}

// The CRC of the wire format, which is the one of zlib.
export function crc32(data) {
  let crc = 0xffffffff;
  for (let at = 0; at < data.length; at += 1) crc = TABLE[(crc ^ data[at]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function encodeHeaders(headers) {
  const encoder = new TextEncoder();
  const bytes = [];
  for (const [name, value] of Object.entries(headers)) {
    const [key, text] = [encoder.encode(name), encoder.encode(value)];
    if (key.length < 1 || key.length > 255 || text.length > MAX_VALUE_LENGTH) {
      throw new EventStreamError(`The header ${name} is too long to be written`);
    }
    bytes.push(key.length, ...key, STRING, text.length >> 8, text.length & 0xff, ...text);
  }
  return Uint8Array.from(bytes);
}

// Check the twelve bytes of a prelude and return the length of the whole message.
function checkedLength(prelude) {
  const view = new DataView(prelude.buffer);
  const [total, headers, crc] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
  const payload = total - headers - OVERHEAD;
  if (headers > MAX_HEADERS_LENGTH) refuse(`${headers} bytes of headers are too many`);
  if (payload > MAX_PAYLOAD_LENGTH) refuse(`${payload} bytes of payload are too many`);
  if (crc !== crc32(prelude.subarray(0, 8))) refuse("The prelude's checksum does not match");
  if (payload < 0) refuse(`A message of ${total} bytes has no room for ${headers} of headers`);
  return total;
}

function readMessage(message) {
  const view = new DataView(message.buffer);
  if (view.getUint32(message.length - 4) !== crc32(message.subarray(0, -4))) {
    refuse("The message's checksum does not match");
  }
  const headersEnd = PRELUDE_LENGTH + view.getUint32(4);
  return {
    headers: readHeaders(view, headersEnd),
    payload: message.subarray(headersEnd, -4),
  };
}

// Read the headers into a Map. Integers of 64 bits and timestamps become BigInt.
function readHeaders(view, end) {
  const headers = new Map();
  let position = PRELUDE_LENGTH;

  function take(length) {
    if (length > end - position) refuse("A header runs past the header block");
    position += length;
    return position - length;
  }
  function bytes(length) {
    return new Uint8Array(view.buffer, take(length), length);
  }
  function value(type) {
    switch (type) {
      case 0:
      case 1:
        return type === 0;
      case 2:
        return view.getInt8(take(1));
      case 3:
        return view.getInt16(take(2));
      case 4:
        return view.getInt32(take(4));
      case 5:
      case 8:
        return view.getBigInt64(take(8));
      case 6:
      case STRING: {
        const length = view.getUint16(take(2));
        if (length > MAX_VALUE_LENGTH) refuse(`A header's value of ${length} bytes is too long`);
        return type === STRING ? text(bytes(length)) : bytes(length);
      }
      case 9:
        return bytes(16);
      default:
        return refuse(`The header type ${type} is unknown`);
    }
  }

  while (position < end) {
    const length = view.getUint8(take(1));
    if (length === 0) refuse("A header has no name");
    const name = text(bytes(length));
    if (headers.has(name)) refuse(`The header ${name} comes twice`);
    headers.set(name, value(view.getUint8(take(1))));
  }
  return headers;
}

function text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("A header is not UTF-8");
  }
}

function refuse(message) {
  throw new EventStreamError(message);
}
