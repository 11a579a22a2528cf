// Which view is shown, and what runs in it.

const VIEWS = {continue: runContinue, text: runText, sampler: runSampler, layers: runLayers};
const LIVE_DELAY = 60;       // milliseconds after a slider moved
const LARGEST_SEED = 2 ** 32;  // seeds that are drawn lie below it

let view = "continue";
let work = null;            // the AbortController of what runs, or null
let areModelsKnown = false;
let liveTimer = 0;

function resultsOf(name) {
  return byId("results-" + name);
}

// Shows a view's part of the form, and its last results.
function showView(name) {
  view = name;
  for (const link of document.querySelectorAll("nav a"))
    link.setAttribute("aria-current", link.dataset.view === name ? "page" : "false");
  for (const part of document.querySelectorAll("[data-views]")) {
    part.hidden = !part.dataset.views.split(" ").includes(name);
  }
  for (const other of Object.keys(VIEWS)) resultsOf(other).hidden = other !== name;
  byId("purpose").textContent = VIEW_PURPOSE[name];
  showFailure(null);
  showLink();
}

function showLink() {
  byId("link").href = addressOf(view, readSettings());
}

function showFailure(error) {
  const place = byId("failure");
  place.hidden = error === null;
  place.textContent = error === null ? "" : inPlainWords(error);
  if (error?.status === 401) byId("key-field").hidden = false;
  if (error?.status === 0 || error?.code === "model_not_found") areModelsKnown = false;
}

function showProgress(isRunning) {
  byId("stop").disabled = !isRunning;
  byId("progress").textContent = isRunning ? "running" : "";
}

// Runs the shown view. What ran before is stopped.
async function run() {
  if (!byId("settings").reportValidity()) return;
  work?.abort();
  const own = work = new AbortController();
  showFailure(null);
  showProgress(true);
  try {
    if (!areModelsKnown) await loadModels(own.signal);
    areModelsKnown = true;
    await runView(own.signal);
  } catch (error) {
    if (error.name !== "AbortError" && work === own) showFailure(error);
  }
  if (work !== own) return;
  work = null;
  showProgress(false);
}

async function runView(signal) {
  if (view === "continue" && !byId("seed").value) byId("seed").value = String(Math.floor(Math.random() * LARGEST_SEED));
  const settings = readSettings();
  history.replaceState(null, "", addressOf(view, settings));
  showLink();
  checkSettings(view, settings);
  if (view === "continue") clear(resultsOf(view));
  await VIEWS[view](settings, signal, resultsOf(view));
}

// In the sampler's view every change shows at once; a request that has begun is awaited before the next.
function runLive() {
  clearTimeout(liveTimer);
  liveTimer = setTimeout(() => {
    if (view !== "sampler") return;
    if (work) runLive();
    else run();
  }, LIVE_DELAY);
}

function onInput(event) {
  showSliders();
  if (event.target.name === "ref" || event.target.name === "test") followReference();
  if (event.target.id === "key") sessionStorage.setItem(KEY_ITEM, event.target.value);
  showLink();
  if (view === "sampler") runLive();
  if (event.target.name === "shown" || event.target.name === "metric") redrawText();
}

function redrawText() {
  const settings = readSettings();
  history.replaceState(null, "", addressOf(view, settings));
  drawText(settings, resultsOf("text"));
}

// Shows what the address says. An address with fields is a link to results, which are made anew.
async function openAddress() {
  const {view: name, fields} = partsOf(location.hash);
  work?.abort();
  showView(name);
  try {
    if (!areModelsKnown) await loadModels();
    areModelsKnown = true;
    fillForm(fields);
  } catch (error) {
    return showFailure(error);
  }
  showLink();
  if ([...fields].length > 0 || name === "sampler") await run();
}

function start() {
  const form = byId("settings");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  form.addEventListener("input", onInput);
  byId("stop").addEventListener("click", () => work?.abort());
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) run();
  });
  addEventListener("hashchange", openAddress);
  showSliders();
  openAddress();
}

start();
