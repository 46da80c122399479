// The audio of one stream, kept until its results are final, so that it can be sent again.

export const CHUNK_SECONDS = 0.1;

export class Audio {
  #pieces = []; // Uint8Arrays, one after the other
  #begin = 0; // the byte at which the first of them begins
  #end = 0;
  #isEnded = false;
  #wake = () => {};

  // encoding, sampleRate, channels: in the service's words; channels are one or two.
  // keepSeconds: how much is kept of what has no final results.
  constructor({ encoding = "pcm", sampleRate, channels = 1, keepSeconds = Infinity }) {
    this.encoding = encoding;
    this.sampleRate = sampleRate;
    this.channels = channels;
    this.bytesPerSecond = sampleRate * channels * 2;
    this.chunkBytes = Math.round(sampleRate * CHUNK_SECONDS) * channels * 2;
    this.keepBytes = keepSeconds * this.bytesPerSecond;
  }

  // Seconds of audio so far; of bytes that are not PCM they are an estimate.
  get seconds() {
    return this.#end / this.bytesPerSecond;
  }

  // The first byte that is still kept.
  get begin() {
    return this.#begin;
  }

  // Add a Uint8Array.
  push(piece) {
    this.#pieces.push(piece);
    this.#end += piece.length;
    this.drop(this.#end - this.keepBytes);
    this.#wake();
  }

  // Declare that no more comes.
  end() {
    this.#isEnded = true;
    this.#wake();
  }

  // Forget whole pieces before a byte.
  drop(position) {
    while (this.#pieces.length > 1 && this.#begin + this.#pieces[0].length <= position) {
      this.#begin += this.#pieces.shift().length;
    }
  }

  // Wait for the next chunk from a byte on; null at the end.
  async read(position) {
    while (position >= this.#end && !this.#isEnded) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    let start = this.#begin;
    for (const piece of this.#pieces) {
      if (position < start + piece.length) {
        return piece.subarray(position - start, position - start + this.chunkBytes);
      }
      start += piece.length;
    }
    return null;
  }

  // The byte of a time, at the beginning of a sample; bytes that are not PCM have no times.
  byteAt(seconds) {
    if (this.encoding !== "pcm") return 0;
    return Math.round(seconds * this.sampleRate) * this.channels * 2;
  }
}
