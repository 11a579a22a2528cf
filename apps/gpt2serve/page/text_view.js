// The view Text: each token of a text, coloured by how far a precision's distribution is from the reference's there.

const METRIC_NAMES = {kl_ref_test: "KL(reference || test), nats", js: "Jensen-Shannon, nats", tvd: "total variation"};

let comparison = null;  // the last answer, from which another colour is drawn without asking again

async function runText(settings, signal, results) {
  comparison = await postJson("/v1/compare", {
    reference: settings.ref,
    tests: settings.tests,
    input: inputOf(settings.text),
    top: 5,
    command: true,
  }, signal);
  drawText(settings, results);
}

// Draws the last answer for the chosen precision and divergence.
function drawText(settings, results) {
  if (!comparison) return;
  clear(results);
  const test = comparison.tests.find((one) => one.model === settings.shown) ?? comparison.tests[0];
  const values = test[settings.metric];
  const scale = scaleOf(comparison.tests.flatMap((one) => one[settings.metric]));
  const floor = test.floor ? {value: test.floor[settings.metric], name: "the noise floor: what rounding alone causes, as a mean"} : null;
  const layout = add(results, "div", "with-detail");
  const left = add(layout, "div");
  const detail = add(layout, "aside", "detail");
  add(left, "h3", "", `${test.model} against ${comparison.reference.model}`);
  addLegend(left, METRIC_NAMES[settings.metric], scale, floor);
  if (!floor) add(left, "p", "hint", "No noise floor: the server tells it when it is started with --floor.");
  const chart = addChart(left, values, scale, floor);
  const tokens = addTokens(left, values, test, scale);
  linkDetail(detail, tokens, chart.bars);
  add(left, "p", "hint", "A line under a token: the most likely token is another one there than the reference's. " +
      "Point at a token, or go to it with Tab and the arrow keys, to see what each precision expected.");
  addMeans(left);
  addCommands(results, [comparison.gpt2run_command]);
}

// The text, an element for each token.
function addTokens(parent, values, test, scale) {
  const frame = add(parent, "div", "tokens");
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The text, token by token");
  const tokens = comparison.tokens.map((text, i) => {
    const token = add(frame, "span", "token heat", text === "" ? "#" + comparison.token_ids[i] + " " : text);
    setShare(token, i === 0 ? 0 : shareOf(values[i], scale));
    if (i > 0 && test.top1_agreement[i] !== 1) token.classList.add("other-top");
    token.setAttribute("role", "button");
    token.setAttribute("aria-label", i === 0 ? quoted(text) : `${quoted(text)}, ${short(values[i])}`);
    return token;
  });
  useArrowKeys(tokens, 1);
  return tokens;
}

// The divergence over the positions. A click on a bar leads to its token.
function addChart(parent, values, scale, floor) {
  const chart = add(parent, "div", "chart");
  add(chart, "span", "chart-top", "1e" + scale.high);
  add(chart, "span", "chart-bottom", "1e" + scale.low);
  const area = add(chart, "div", "chart-area");
  area.title = "Divergence at each position; a click leads to the token";
  const bars = values.map((value, i) => {
    const bar = add(area, "div", "bar");
    setShare(add(bar, "div", "heat"), i === 0 ? 0 : shareOf(value, scale));
    return bar;
  });
  if (floor) setShare(add(area, "div", "chart-floor"), shareOf(floor.value, scale));
  return {chart, bars};
}

// Shows the detail of the token that the pointer or the focus is on, and marks its bar.
function linkDetail(detail, tokens, bars) {
  const show = (i) => {
    for (const [at, token] of tokens.entries()) {
      token.classList.toggle("current", at === i);
      bars[at].classList.toggle("current", at === i);
    }
    showToken(detail, i);
  };
  for (const [i, token] of tokens.entries()) {
    token.addEventListener("mouseenter", () => show(i));
    token.addEventListener("focus", () => show(i));
    token.addEventListener("click", () => token.focus());
    bars[i].addEventListener("click", () => {
      token.focus({preventScroll: true});
      token.scrollIntoView({block: "center"});
    });
  }
  if (tokens.length > 1) show(1);
}

function showToken(detail, i) {
  clear(detail);
  const own = quoted(comparison.tokens[i], comparison.token_ids[i]);
  add(detail, "h3", "", `Token ${i + 1} of ${comparison.tokens.length}: ${own}`);
  if (i === 0) {
    add(detail, "p", "", "The first token has nothing before it from which it could be expected.");
    return;
  }
  const sides = [comparison.reference, ...comparison.tests];
  const greatest = Math.exp(Math.max(...sides.map((side) => side.top[i][0].logprob)));
  addTopFive(detail, comparison.reference, i, greatest);
  for (const test of comparison.tests) {
    addTopFive(detail, test, i, greatest);
    const numbers = `KL ${short(test.kl_ref_test[i])}, Jensen-Shannon ${short(test.js[i])}, total variation ${short(test.tvd[i])}`;
    add(detail, "p", "hint", numbers);
  }
  add(detail, "p", "hint", `The reference's best two are ${short(comparison.tests[0].margin[i])} apart in their logits.`);
}

// The most likely tokens of a precision before token i, and the token itself. greatest: the longest bar's probability.
function addTopFive(parent, side, i, greatest) {
  const list = add(parent, "div", "bars");
  add(list, "h4", "", side.model);
  for (const one of side.top[i])
    addBar(list, quoted(one.token, one.id), Math.exp(one.logprob), greatest, one.id === comparison.token_ids[i] ? "own" : "");
  if (!side.top[i].some((one) => one.id === comparison.token_ids[i]))
    addBar(list, quoted(comparison.tokens[i], comparison.token_ids[i]), Math.exp(side.logprobs[i]), greatest, "own");
}

function addBar(parent, name, probability, greatest, className) {
  const line = add(parent, "div", "bar-line " + className);
  add(line, "span", "bar-name", name);
  setShare(add(add(line, "span", "bar-track"), "span", "bar-chance"), probability / greatest);
  add(line, "span", "bar-number", percent(probability));
  return line;
}

// The means of all precisions over the text.
function addMeans(parent) {
  const heads = ["precision", "KL, nats", "+-", "floor", "same top-1", "total variation"];
  const table = addTable(parent, `Means over ${comparison.targets} targets, with a standard error`, heads);
  for (const test of comparison.tests) {
    const floor = test.floor ? short(test.floor.kl_ref_test) : "-";
    addRow(table, [test.model, short(test.mean.kl_ref_test), short(test.standard_error.kl_ref_test), floor,
      percent(test.mean.top1_agreement), short(test.mean.tvd)]);
  }
}
