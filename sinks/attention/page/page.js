// The attention: the weights of one head at one token, and maps of all heads.
//
// A sequence: { sequence, heads, tokens: how many it has, layers: [number], texts: [those that are shown], weights: base64
// of bytes, in units of 1/255, by layer, head, token, and the token that it looks at }

const sequences = allData().sort((a, b) => a.sequence - b.sequence);
let shown = null; // the sequence, with `bytes`
let chosen = 0; // the token that looks

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function place(layer, head, token) {
  const triangle = (shown.texts.length * (shown.texts.length + 1)) / 2;
  return (layer * shown.heads + head) * triangle + (token * (token + 1)) / 2;
}

// The weights of a token's row, 0 for the first token if that is left out.
function weightsOf(layer, head, token) {
  const begin = place(layer, head, token);
  const weights = Array.from(shown.bytes.subarray(begin, begin + token + 1), (byte) => byte / 255);
  if (byId("skip-first").checked && token > 0) weights[0] = 0;
  return weights;
}

function choice() {
  return [Number(byId("layer").value), Number(byId("head").value)];
}

function tokenElements() {
  return [...byId("tokens").children];
}

function headButtons() {
  return [...document.querySelectorAll("#heads button")];
}

function colourOf(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// Draws a head's weights, a pixel for each pair of tokens.
function draw(canvas, layer, head) {
  const size = shown.texts.length;
  canvas.width = size;
  canvas.height = size;
  const [page, heat] = [colourOf("--page"), colourOf("--heat")];
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  for (let token = 0; token < size; ++token) {
    const weights = weightsOf(layer, head, token);
    for (let at = 0; at < size; ++at) {
      const share = at <= token ? Math.sqrt(weights[at]) : 0;
      const pixel = 4 * (token * size + at);
      for (let i = 0; i < 3; ++i) image.data[pixel + i] = page[i] + share * (heat[i] - page[i]);
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function showToken(token) {
  chosen = token;
  const [layer, head] = choice();
  const weights = weightsOf(layer, head, token);
  for (const [at, element] of tokenElements().entries()) {
    element.className = at > token ? "later" : "heat";
    element.classList.toggle("chosen", at === token);
    setShare(element, at <= token ? Math.sqrt(weights[at]) : 0);
  }
  const order = weights.map((weight, at) => [weight, at]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  const rows = order.slice(0, 8).map(([weight, at]) => shareRow(weight, String(at), shown.texts[at], percent(weight)));
  const title = `Token ${token}, ${JSON.stringify(shown.texts[token])}, in layer ${shown.layers[layer]}, head ${head}, looks at`;
  const table = make("table", { className: "shares" }, make("tbody", {}, ...rows));
  byId("detail").replaceChildren(make("h2", {}, title), table);
}

function showHead() {
  const [layer, head] = choice();
  for (const button of headButtons())
    button.setAttribute("aria-pressed", String(button.dataset.layer === String(layer) && button.dataset.head === String(head)));
  draw(byId("map"), layer, head);
  byId("map").setAttribute("aria-label", `Map of layer ${shown.layers[layer]}, head ${head}`);
  showToken(chosen);
}

function choose(layer, head) {
  byId("layer").value = String(layer);
  byId("head").value = String(head);
  showHead();
}

function headButton(layer, head) {
  const canvas = make("canvas");
  draw(canvas, layer, head);
  const name = `layer ${shown.layers[layer]}, head ${head}`;
  const button = make("button", { type: "button", title: name, "aria-label": name, tabIndex: -1 }, canvas);
  button.dataset.layer = String(layer);
  button.dataset.head = String(head);
  button.addEventListener("click", () => choose(layer, head));
  return button;
}

function showAllHeads() {
  const heads = [...Array(shown.heads).keys()];
  const titles = make("tr", {}, make("th", {}, "layer"), ...heads.map((head) => make("th", { scope: "col" }, String(head))));
  const rows = shown.layers.map((number, layer) => {
    const maps = heads.map((head) => make("td", {}, headButton(layer, head)));
    return make("tr", {}, make("th", { scope: "row" }, String(number)), ...maps);
  });
  byId("heads").replaceChildren(make("thead", {}, titles), make("tbody", {}, ...rows));
  headButtons()[0].tabIndex = 0;
}

function tokenElement(text, at) {
  const element = make("span", { tabIndex: -1, title: `token ${at}` }, text);
  element.addEventListener("focus", () => showToken(at));
  element.addEventListener("pointerenter", () => showToken(at));
  return element;
}

function showSequence() {
  shown = sequences[Number(byId("sequence").value)];
  shown.bytes ??= bytesOf(shown.weights);
  const isEmpty = shown.texts.length === 0 || shown.layers.length === 0;
  for (const id of ["map", "detail", "heads"]) byId(id).hidden = isEmpty;
  byId("cut").hidden = shown.texts.length === shown.tokens;
  byId("cut").textContent = `The first ${shown.texts.length} of ${shown.tokens} tokens are shown.`;
  byId("tokens").replaceChildren(...shown.texts.map(tokenElement));
  if (isEmpty) return;
  fillSelect(byId("layer"), shown.layers.map((number, layer) => [layer, String(number)]));
  fillSelect(byId("head"), [...Array(shown.heads).keys()].map((head) => [head, String(head)]));
  chosen = shown.texts.length - 1;
  tokenElements()[chosen].tabIndex = 0;
  showAllHeads();
  showHead();
}

fillSelect(byId("sequence"), sequences.map(({ sequence }, at) => [at, String(sequence)]));
byId("sequence").addEventListener("input", showSequence);
for (const id of ["layer", "head"]) byId(id).addEventListener("input", showHead);
const redraw = () => {
  if (shown === null || shown.texts.length === 0 || shown.layers.length === 0) return;
  showAllHeads();
  showHead();
};
byId("skip-first").addEventListener("input", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
byId("map").addEventListener("pointermove", (event) => {
  const token = Math.floor((event.offsetY / byId("map").clientHeight) * shown.texts.length);
  if (token >= 0 && token < shown.texts.length) showToken(token);
});
moveWithArrows(byId("tokens"), tokenElements, () => 1);
moveWithArrows(byId("heads"), headButtons, () => shown.heads);
if (sequences.length > 0) showSequence();
