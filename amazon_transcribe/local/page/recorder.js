// Runs on the browser's audio thread: turns what the microphone hears into 16-bit chunks.

class Recorder extends AudioWorkletProcessor {
  #chunk;
  #filled = 0;
  #peak = 0;
  #isOver = false;

  constructor({ processorOptions }) {
    super();
    this.#chunk = new Int16Array(processorOptions.frames);
    this.port.onmessage = () => {
      this.#isOver = true;
      this.#post();
      this.port.postMessage(null);
    };
  }

  process([channels], [output]) {
    const frames = channels[0] ?? new Float32Array(output[0].length); // none while it is muted
    for (const sample of this.#isOver ? [] : frames) {
      const value = Math.max(-1, Math.min(1, sample));
      this.#peak = Math.max(this.#peak, Math.abs(value));
      this.#chunk[this.#filled] = value * (value < 0 ? 0x8000 : 0x7fff);
      this.#filled += 1;
      if (this.#filled === this.#chunk.length) this.#post();
    }
    return !this.#isOver;
  }

  #post() {
    this.port.postMessage({ pcm: this.#chunk.slice(0, this.#filled).buffer, peak: this.#peak });
    this.#filled = 0;
    this.#peak = 0;
  }
}

registerProcessor("recorder", Recorder);
