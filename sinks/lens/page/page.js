// The lens: a table of layers and positions, and what the layer under the pointer says.
//
// A sequence: { sequence, texts: {id: text}, names: [name of each row], positions: [{ position, id, final,
// layers: [[probability of final, its rank, [[id, probability], ...]], ...] }, ...] }

const sequences = allData();
const colours = {
  probability: ["probability of the final token", (layer) => layer[0]],
  rank: ["rank of the final token", (layer) => (layer[1] > 0 ? 1 - Math.log10(layer[1]) / 4 : 0)],
  top: ["probability of the most likely token", (layer) => (layer[2].length > 0 ? layer[2][0][1] : 0)],
};
let shown = null;

function textOf(id) {
  return id in shown.texts ? shown.texts[id] : `#${id}`;
}

function cells() {
  return [...document.querySelectorAll("#map td")];
}

function showDetail(row, at) {
  const position = shown.positions[at];
  const [probability, rank, top] = position.layers[row];
  const place = `position ${position.position}, after ${JSON.stringify(textOf(position.id))}`;
  const lines = [make("h2", {}, `${shown.names[row]}: ${place}`)];
  if (position.final >= 0) {
    const final = `The final token is ${JSON.stringify(textOf(position.final))}`;
    lines.push(make("p", {}, `${final}: ${percent(probability)}, rank ${rank || "?"} after this layer.`));
  }
  const rows = top.map(([id, share]) => shareRow(share, textOf(id), percent(share)));
  lines.push(make("table", { className: "shares" }, make("tbody", {}, ...rows)));
  byId("detail").replaceChildren(...lines);
}

function cellOf(row, at) {
  const { layers, final } = shown.positions[at];
  const top = layers[row][2];
  const cell = make("td", { className: "heat", tabIndex: -1 }, top.length > 0 ? textOf(top[0][0]) : "?");
  if (top.length > 0 && top[0][0] === final) cell.classList.add("same");
  setShare(cell, colours[byId("colour").value][1](layers[row]));
  cell.addEventListener("focus", () => showDetail(row, at));
  cell.addEventListener("pointerenter", () => showDetail(row, at));
  return cell;
}

function showSequence() {
  shown = sequences[byId("sequence").value];
  const head = (text, scope) => make("th", { scope }, text);
  const across = () => shown.positions.map((_, at) => at);
  const rows = shown.names.map((name, row) => make("tr", {}, head(name, "row"), ...across().map((at) => cellOf(row, at))));
  rows.reverse(); // the last layer is at the top
  const titles = make("tr", {}, head("", "col"), ...shown.positions.map(({ id }) => head(textOf(id), "col")));
  byId("map").replaceChildren(make("thead", {}, titles), make("tbody", {}, ...rows));
  byId("detail").replaceChildren();
  if (shown.positions.length === 0) return;
  cells()[shown.positions.length - 1].tabIndex = 0;
  showDetail(shown.names.length - 1, shown.positions.length - 1);
}

fillSelect(byId("sequence"), sequences.map(({ sequence }, at) => [at, String(sequence)]));
fillSelect(byId("colour"), Object.entries(colours).map(([name, [text]]) => [name, text]));
for (const id of ["sequence", "colour"]) byId(id).addEventListener("input", showSequence);
moveWithArrows(byId("map"), cells, () => shown.positions.length);
if (sequences.length > 0) showSequence();
