// The page's session with its server: the keys that sign its streams, and what the server knows
// of all streams. The server ends a session that asks nothing for five minutes.

import { ConnectionLost } from "./stream.js";

const TIMEOUT = 10_000; // milliseconds

export class Session {
  #about = null;

  // Return {accessKey, secretKey, engine, language, speakers}, of a session that is alive.
  async about() {
    if (this.#about === null || (await this.streams()) === null) {
      this.#about = await (await post("/page/session")).json();
    }
    return this.#about;
  }

  // Return {open, streams}, or null once the session is over.
  async streams() {
    if (this.#about === null) return null;
    const answer = await post(`/page/streams?session=${this.#about.accessKey}`, [410]);
    if (answer.status === 410) this.#about = null;
    return answer.status === 410 ? null : answer.json();
  }

  // End the session, as the page is left.
  leave() {
    if (this.#about === null) return;
    fetch(`/page/leave?session=${this.#about.accessKey}`, { method: "POST", keepalive: true });
    this.#about = null;
  }
}

async function post(path, expected = []) {
  const options = { method: "POST", signal: AbortSignal.timeout(TIMEOUT) };
  const answer = await fetch(path, options).catch(() => {
    throw new ConnectionLost("The server does not answer");
  });
  if (answer.ok || expected.includes(answer.status)) return answer;
  throw new Error(`The server answered with status ${answer.status}: ${await answer.text()}`);
}
