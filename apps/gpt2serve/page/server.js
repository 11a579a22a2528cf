// The server's routes: requests, streams, and its errors in plain words.

const KEY_ITEM = "gpt2run-key";  // in the storage of this tab, so that a reload does not ask again

// What went wrong. status: that of HTTP, or 0 where no answer came. code and param are the server's, or null.
class Failure extends Error {
  constructor(status, message, code = null, param = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

function failureOf(status, error) {
  return new Failure(status, error.message, error.code, error.param);
}

// A sentence or two for a person: what happened, and what to do.
function inPlainWords(failure) {
  if (!(failure instanceof Failure)) return "This page has a fault: " + failure.message;
  const server = "The server says: " + failure.message;
  if (failure.status === 0) return failure.message;
  if (failure.status === 401) return "This server wants a key. Enter it under Key and press Run. " + server;
  if (failure.status === 403) return "This server is not meant to be reached by this address. " + server;
  if (failure.status === 429) return "The server is busy. Wait a moment and press Run again. " + server;
  if (failure.code === "shutting_down") return "The server is shutting down. Start it again and press Run.";
  if (failure.code === "engine_failed")
    return "This precision has failed and stays off until the server is started again. " + server;
  if (failure.code === "context_length_exceeded") return "The text is too long. " + server;
  if (failure.code === "model_not_found")
    return "The server no longer serves this precision; reload the page to see those that it has. " + server;
  if (failure.status >= 500) return "The server could not compute this. " + server;
  return "The server does not take this request. " + server;
}

function headers() {
  const key = sessionStorage.getItem(KEY_ITEM);
  return key ? {"Content-Type": "application/json", Authorization: "Bearer " + key} : {"Content-Type": "application/json"};
}

// Sends a request. Throws Failure for an answer that is an error, and for none. AbortError passes through.
async function request(method, path, body, signal) {
  let answer;
  try {
    answer = await fetch(path, {method, headers: headers(), body: body && JSON.stringify(body), signal, cache: "no-store"});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "The server does not answer. If it has ended, start it again and press Run.");
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw failureOf(answer.status, document.error ?? {message: "status " + answer.status});
}

async function getJson(path, signal) {
  return (await request("GET", path, undefined, signal)).json();
}

async function postJson(path, body, signal) {
  return (await request("POST", path, body, signal)).json();
}

// The JSON documents of a stream of server-sent events, as they come.
async function* postStream(path, body, signal) {
  const answer = await request("POST", path, {...body, stream: true}, signal);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const {done, value} = await readPart(reader);
    if (done) throw new Failure(0, "The server ended in the middle of the text. Press Run to start anew.");
    waiting += decoder.decode(value, {stream: true});
    const frames = waiting.split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      const data = frame.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const document = JSON.parse(data);
      if (document.error) throw failureOf(500, document.error);
      yield document;
    }
  }
}

async function readPart(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "The connection to the server broke. If it has ended, start it again and press Run.");
  }
}
