// The form: what the server serves, what a person has chosen, and the address that says the same.

// The fields of each view, by the names of their controls. They are what a link to the view carries.
const VIEW_FIELDS = {
  continue: ["text", "ref", "test", "temperature", "top_k", "top_p", "min_p", "max_tokens", "seed", "chain", "in_turn"],
  text: ["text", "ref", "test", "shown", "metric"],
  sampler: ["text", "ref", "test", "temperature", "top_k", "top_p", "min_p", "top"],
  layers: ["text", "ref", "test", "rows"],
};

const VIEW_PURPOSE = {
  continue: "The same prompt, sampler and seed in each precision: only the number type differs.",
  text: "How far each precision's next-token distribution is from the reference's, at every token of a text.",
  sampler: "The distribution of the next token, and what the sampler keeps and cuts of it.",
  layers: "How far the outputs of each operation are from the reference's, as relative errors (root of the mean square).",
};

const MOST_MODELS = 4;

let served = [];  // the models of /v1/models

// Asks what the server serves, and offers that. What was chosen before stays chosen where it is still there.
async function loadModels(signal) {
  served = (await getJson("/v1/models", signal)).data;
  const before = {ref: byId("ref").value, tests: chosenTests()};
  const ids = served.map((model) => model.id);
  fillSelect(byId("ref"), ids, before.ref);
  clear(byId("tests"));
  for (const model of served) addTestBox(model);
  const kept = before.tests.filter((id) => ids.includes(id));
  chooseTests(kept.length > 0 ? kept : ids.slice(0, MOST_MODELS));
  const one = served[0];
  byId("served").textContent = `${one.layers} layers, ${one.vocabulary} tokens, a context of ${one.context}; ` +
      served.map((model) => `${model.id}: ${model.contract}`).join("; ");
  byId("text-label").textContent = one.has_tokenizer ? "Text" : "Text, as token ids";
}

function addTestBox(model) {
  const label = add(byId("tests"), "label", "check");
  const box = add(label, "input");
  box.type = "checkbox";
  box.name = "test";
  box.value = model.id;
  add(label, "span", "", model.id);
  label.title = model.precision + (model.reproducible ? "" : "; its results depend on what else runs");
}

function fillSelect(select, values, chosen) {
  clear(select);
  for (const value of values) add(select, "option", "", value).value = value;
  if (values.includes(chosen)) select.value = chosen;
}

function testBoxes() {
  return [...byId("tests").querySelectorAll("input")];
}

function chosenTests() {
  return testBoxes().filter((box) => box.checked).map((box) => box.value);
}

function chooseTests(ids) {
  for (const box of testBoxes()) box.checked = ids.includes(box.value);
  followReference();
}

// The reference is not compared with itself, and only what is compared can be shown.
function followReference() {
  const reference = byId("ref").value;
  for (const box of testBoxes()) box.disabled = box.value === reference;
  const tests = chosenTests().filter((id) => id !== reference);
  fillSelect(byId("shown"), tests, byId("shown").value);
}

function showSliders() {
  for (const output of document.querySelectorAll(".slider output")) {
    const input = byId(output.htmlFor.value);
    const isOff = (input.name === "top_k" && input.value === "0") || (input.name === "top_p" && input.value === "1");
    output.textContent = isOff ? "all" : input.value;
  }
}

// The values of a view's fields, and `models`: the reference and then the others.
function readSettings() {
  const values = Object.fromEntries(new FormData(byId("settings")));
  values.text = byId("text").value;  // with its line breaks as they are
  values.tests = chosenTests().filter((id) => id !== values.ref);
  values.models = [values.ref, ...values.tests];
  return values;
}

// Throws Failure for a choice that no view can show.
function checkSettings(view, settings) {
  if (settings.models.length > MOST_MODELS)
    throw new Failure(0, `Choose at most ${MOST_MODELS} precisions, the reference among them.`);
  if (settings.tests.length > 0 || !["text", "layers"].includes(view)) return;
  if (served.length > 1) throw new Failure(0, "Choose a precision to compare the reference with.");
  throw new Failure(0, "This server has one precision only. Start it with two, such as --precision fp32,bf16.");
}

// The part of the address behind #, from which fillForm() makes the same form.
function addressOf(view, settings) {
  const parts = new URLSearchParams();
  for (const name of VIEW_FIELDS[view]) {
    const values = name === "test" ? settings.tests : settings[name] || name === "text" ? [settings[name]] : [];
    for (const value of values) parts.append(name, value);
  }
  return "#" + view + "?" + parts;
}

// The view and the fields of an address.
function partsOf(address) {
  const [name, query = ""] = address.replace(/^#/, "").split(/\?(.*)/s);
  return {view: name in VIEW_FIELDS ? name : "continue", fields: new URLSearchParams(query)};
}

// Fills the form from the fields of an address. Throws Failure for a precision that is not served.
function fillForm(fields) {
  const form = byId("settings");
  if ([...fields].length === 0) return;
  const ids = served.map((model) => model.id);
  const missing = [...fields.getAll("ref"), ...fields.getAll("test")].find((id) => !ids.includes(id));
  if (missing !== undefined)
    throw new Failure(0, `This link wants the precision ${missing}, and the server has ${ids.join(", ")}.`);
  form.reset();
  if (fields.has("ref")) form.elements.ref.value = fields.get("ref");
  chooseTests(fields.getAll("test"));
  for (const [name, value] of fields) {
    const control = form.elements[name];
    if (name === "ref" || name === "test" || !(control instanceof HTMLElement)) continue;
    if (control.type === "checkbox") control.checked = true;
    else control.value = value;
  }
  showSliders();
}

// A text as the server takes it: for a model without a tokenizer it is a list of ids.
function inputOf(text) {
  if (served[0].has_tokenizer) return text;
  const words = text.split(/[\s,]+/).filter((word) => word);
  if (!words.every((word) => /^\d{1,9}$/.test(word)))
    throw new Failure(0, "This model has no tokenizer. Write the text as token ids, such as 17 4 250.");
  return words.map(Number);
}

// The ids of a text. An empty one is the token that texts start with.
async function idsOf(text, signal) {
  if (text === "") return [served[0].start_of_text];
  const input = inputOf(text);
  return Array.isArray(input) ? input : (await postJson("/v1/tokenize", {input}, signal)).token_ids;
}
