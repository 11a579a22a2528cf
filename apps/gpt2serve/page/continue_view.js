// The view Continue: the same prompt and seed in several precisions, side by side, as their tokens come.

// One precision's continuation and the elements that show it. chunks: the element of each token.
function addContinuation(parent, model, isReference) {
  const column = add(parent, "article", "continuation");
  add(column, "h3", "", model + (isReference ? " (reference)" : ""));
  const speed = add(column, "p", "speed", "waits");
  const text = add(column, "p", "running-text");
  const end = add(column, "p", "hint");
  return {model, column, speed, text, end, ids: [], pieces: [], chunks: [], begin: 0, first: 0, difference: -1, command: ""};
}

function showSpeed(run, tokensPerSecond, firstMilliseconds) {
  const speed = tokensPerSecond ? tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0) + " tokens/s" : run.ids.length + " tokens";
  run.speed.textContent = speed + ", first after " + firstMilliseconds.toFixed(1) + " ms";
}

// Takes a frame of the stream: its text is shown at once, its tokens are kept for the comparison.
function takeFrame(run, frame) {
  if (frame.gpt2run_command) run.command = frame.gpt2run_command;
  const choice = frame.choices[0];
  const now = performance.now();
  const chunk = choice.text ? add(run.text, "span", "", choice.text) : null;
  for (const [i, id] of (choice.logprobs?.token_ids ?? []).entries()) {
    if (run.ids.length === 0) run.first = now;
    run.ids.push(id);
    run.pieces.push(choice.logprobs.tokens[i]);
    run.chunks.push(null);
  }
  // Text that was held back belongs to all tokens that have no element yet.
  for (let i = run.chunks.length - 1; chunk && i >= 0 && run.chunks[i] === null; --i) run.chunks[i] = chunk;
  const seconds = (now - run.first) / 1000;
  if (run.ids.length > 0) showSpeed(run, seconds > 0 ? (run.ids.length - 1) / seconds : null, run.first - run.begin);
  if (choice.finish_reason) finishRun(run, choice);
}

const END_WORDS = {
  end_of_text: "The model ended the text.",
  stop: "A stop text came.",
  length: "All tokens that were asked for.",
  context: "The context is full.",
};

// The server's own times are free of what the browser takes.
function finishRun(run, choice) {
  const times = choice.gpt2run_timings;
  if (times?.first_token_ms) showSpeed(run, times.tokens_per_second, times.first_token_ms);
  run.end.textContent = END_WORDS[choice.gpt2run_reason] ?? choice.gpt2run_reason;
}

async function streamRun(run, body, signal, taken) {
  run.begin = performance.now();
  run.speed.textContent = "waits for its first token";
  try {
    for await (const frame of postStream("/v1/completions", {...body, model: run.model}, signal)) {
      takeFrame(run, frame);
      taken();
    }
  } catch (error) {
    if (error.name === "AbortError") run.end.textContent = "Stopped.";
    else run.end.textContent = "It ended with an error.";
    throw error;
  }
}

// The index of the first token in which two runs differ so far, or -1.
function firstDifference(a, b) {
  const size = Math.min(a.ids.length, b.ids.length);
  for (let i = 0; i < size; ++i)
    if (a.ids[i] !== b.ids[i]) return i;
  return -1;
}

function markToken(run, index, title) {
  const chunk = run.chunks[index];
  if (!chunk) return;
  chunk.className = "different";
  chunk.title = title;
}

// Marks the first different token of a run and of the reference, once both have it.
function markDifference(reference, run) {
  if (run.difference < 0) run.difference = firstDifference(reference, run);
  const at = run.difference;
  if (at < 0 || run.isMarked || !run.chunks[at] || !reference.chunks[at]) return;
  run.isMarked = true;
  const title = `Token ${at + 1}: ${reference.model} has ${quoted(reference.pieces[at], reference.ids[at])}, ` +
      `${run.model} has ${quoted(run.pieces[at], run.ids[at])}`;
  markToken(reference, at, title);
  markToken(run, at, title);
}

// Shows what both precisions think of the two tokens, of the same text before them.
async function addDifference(parent, reference, run, promptIds, sampler, signal) {
  const at = run.difference, ids = [reference.ids[at], run.ids[at]];
  const names = [quoted(reference.pieces[at], ids[0]), quoted(run.pieces[at], ids[1])];
  const answer = await postJson("/v1/distribution", {
    models: [reference.model, run.model],
    input: [...promptIds, ...reference.ids.slice(0, at)],
    ids,
    top: 1,
    ...sampler,
  }, signal);
  const heads = ["precision", ...names.map((name) => name + " probability"), ...names.map((name) => name + " drawn with"), "logit margin"];
  const caption = `${run.model} differs from ${reference.model} first in new token ${at + 1}`;
  const table = addTable(parent, caption, heads);
  for (const model of answer.models) {
    const found = ids.map((id) => model.tokens.find((token) => token.id === id));
    const cells = [...found.map((token) => percent(token.probability)), ...found.map(chanceInWords)];
    addRow(table, [model.model, ...cells, short(found[0].logit - found[1].logit)]);
  }
}

// The chance that the sampler draws a token, or why it cannot.
function chanceInWords(token) {
  return token.cut_by ? "cut by " + token.cut_by.replace("_", "-") : percent(token.chance);
}

function addSameness(parent, reference, run) {
  const count = Math.min(reference.ids.length, run.ids.length);
  const rest = run.ids.length === reference.ids.length ? "." : ", and then one of them ends.";
  add(parent, "p", "", `${run.model}: the same ${count} tokens as ${reference.model}${rest}`);
}

function samplerOf(settings) {
  return {
    temperature: Number(settings.temperature),
    top_k: Number(settings.top_k),
    top_p: Number(settings.top_p),
    min_p: Number(settings.min_p),
  };
}

// What all precisions are asked for.
function completionBody(settings) {
  const body = {
    prompt: inputOf(settings.text),
    max_tokens: Number(settings.max_tokens),
    ...samplerOf(settings),
    seed: Number(settings.seed),
    logprobs: 0,
    command: true,
  };
  if (settings.chain) body.sampler = settings.chain;
  return body;
}

async function runContinue(settings, signal, results) {
  const columns = add(results, "div", "columns");
  const runs = settings.models.map((model, i) => addContinuation(columns, model, i === 0));
  const body = completionBody(settings);
  const compare = () => runs.slice(1).forEach((run) => markDifference(runs[0], run));
  const differences = add(results, "div", "differences");
  const failures = [];
  const start = (run) => streamRun(run, body, signal, compare).catch((error) => failures.push(error));
  if (settings.in_turn) for (const run of runs) await start(run);
  else await Promise.all(runs.map(start));
  const commands = runs.map((run) => run.command).filter((line) => line);
  if (commands.length > 0) addCommands(results, commands);
  if (failures.length > 0) throw failures[0];
  const promptIds = await idsOf(settings.text, signal);
  for (const run of runs.slice(1)) {
    if (run.difference < 0) addSameness(differences, runs[0], run);
    else await addDifference(differences, runs[0], run, promptIds, samplerOf(settings), signal);
  }
}
