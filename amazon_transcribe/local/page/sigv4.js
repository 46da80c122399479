// AWS Signature Version 4 of a URL, which opens a stream by WebSocket.

const ALGORITHM = "AWS4-HMAC-SHA256";
const SERVICE = "transcribe";
const EXPIRES = 60; // seconds

// Return the URL of a stream, signed.
//
// base: such as ws://localhost:8770, as `location` has it.
// path: the operation's.
// parameters: an object of strings, the request's.
// keys: {accessKey, secretKey}.
// region: any; the signature names it.
// now: a Date.
export async function presignedUrl(base, path, parameters, keys, region, now) {
  const stamp = now.toISOString().replace(/[:-]|\.\d{3}/g, "");
  const scope = [stamp.slice(0, 8), region, SERVICE, "aws4_request"];
  const query = Object.entries({
    ...parameters,
    "X-Amz-Algorithm": ALGORITHM,
    "X-Amz-Credential": [keys.accessKey, ...scope].join("/"),
    "X-Amz-Date": stamp,
    "X-Amz-Expires": String(EXPIRES),
    "X-Amz-SignedHeaders": "host",
  })
    .map((pair) => pair.map(encode))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map((pair) => pair.join("="))
    .join("&");
  const { host } = new URL(base);
  const canonical = ["GET", path, query, `host:${host}`, "", "host", await sha256("")].join("\n");
  const toSign = [ALGORITHM, stamp, scope.join("/"), await sha256(canonical)].join("\n");
  let key = new TextEncoder().encode(`AWS4${keys.secretKey}`);
  for (const part of scope) key = await hmac(key, part);
  return `${base}${path}?${query}&X-Amz-Signature=${hex(await hmac(key, toSign))}`;
}

// Percent-encode all but the unreserved characters; encodeURIComponent leaves five more.
function encode(text) {
  const code = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, code);
}

async function sha256(text) {
  return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

async function hmac(key, text) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
