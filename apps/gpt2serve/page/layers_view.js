// The view Layers: a heat map of the relative error after every operation, a table for each precision.

async function runLayers(settings, signal, results) {
  const answer = await postJson("/v1/layers", {
    reference: settings.ref,
    tests: settings.tests,
    input: inputOf(settings.text),
    rows: Number(settings.rows),
    command: true,
  }, signal);
  clear(results);
  const layout = add(results, "div", "with-detail");
  const left = add(layout, "div");
  const detail = add(layout, "aside", "detail");
  add(detail, "p", "", "Point at a cell, or go to it with Tab and the arrow keys.");
  const scale = scaleOf(answer.tests.flatMap((test) => test.errors.map((error) => error.rms_error)));
  add(left, "p", "hint", `Over the first ${answer.rows} tokens. A cell is the error of what an operation writes, with all errors before it.`);
  for (const test of answer.tests) addErrorMap(left, answer, test, scale, detail);
  addCommands(results, [answer.gpt2run_command]);
}

function addErrorMap(parent, answer, test, scale, detail) {
  add(parent, "h3", "", `${test.model} against ${answer.reference.model}`);
  if (test.errors.length === 0) {
    const mute = answer.reference.has_taps ? test.model : answer.reference.model;
    add(parent, "p", "", `${mute} does not show what its operations write.`);
    return;
  }
  const mark = test.threshold === null ? null : {value: test.threshold, name: "the threshold, beyond what rounding to these types explains"};
  addLegend(parent, "relative error", scale, mark);
  add(parent, "p", "hint", thresholdInWords(test));
  const table = addTable(parent, `Errors of ${test.model}, a row for each layer`, ["layer", ...operationsOf(test)]);
  fillErrorMap(table, test, scale, detail);
}

function thresholdInWords(test) {
  if (test.threshold === null) return "No threshold is known for this pair.";
  if (test.first_above === null) return "No operation is above the threshold.";
  const first = test.errors[test.first_above];
  return `The first operation above the threshold is ${placeOf(first)}.`;
}

function placeOf(error) {
  return error.layer < 0 ? error.op : `${error.op} of layer ${error.layer}`;
}

// The names of the operations within layers, in the order in which a step runs them.
function operationsOf(test) {
  return [...new Set(test.errors.filter((error) => error.layer >= 0).map((error) => error.op))];
}

// Rows for the layers; what runs outside of them has rows of its own before and behind, named by the operation.
function fillErrorMap(table, test, scale, detail) {
  const operations = operationsOf(test);
  const cells = [];
  let row = null, layer = -1;
  for (const error of test.errors) {
    if (error.layer < 0 || error.layer !== layer) {
      row = addRow(table, [error.layer < 0 ? error.op : String(error.layer)]);
      if (error.layer >= 0) for (const _ of operations) add(row, "td");
    }
    layer = error.layer;
    const cell = layer < 0 ? addWideCell(row, operations.length) : row.children[operations.indexOf(error.op) + 1];
    fillCell(cell, error, test, scale);
    const show = () => showOperation(detail, error, test);
    cell.addEventListener("mouseenter", show);
    cell.addEventListener("focus", show);
    cells.push(cell);
  }
  useArrowKeys(cells, operations.length);
}

function addWideCell(row, columns) {
  const cell = add(row, "td", "wide-cell");
  cell.colSpan = Math.max(1, columns);
  return cell;
}

function fillCell(cell, error, test, scale) {
  const value = error.rms_error;
  cell.classList.add("heat", "cell");
  if (value === null || (test.threshold !== null && value > test.threshold)) cell.classList.add("above");
  cell.textContent = value === null ? "not finite" : value === 0 ? "0" : value.toExponential(1);
  cell.setAttribute("aria-label", `${placeOf(error)}: ${short(value)}`);
  setShare(cell, shareOf(value, scale));
}

// The numbers of one operation.
function showOperation(detail, error, test) {
  clear(detail);
  add(detail, "h3", "", placeOf(error));
  const table = addTable(detail, test.model, ["", "value"]);
  addRow(table, ["relative error", short(error.rms_error)]);
  addRow(table, ["largest error", short(error.max_error)]);
  const range = test.ranges.find((one) => one.op === error.op && one.layer === error.layer);
  if (!range) return;
  addRow(table, ["largest value", short(range.max)]);
  addRow(table, ["times below overflow", short(range.headroom)]);
  addRow(table, ["share of subnormal values", percent(range.subnormal_share)]);
  addRow(table, ["NaN", String(range.nans)]);
}
