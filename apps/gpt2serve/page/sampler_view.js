// The view Sampler: bars of the next token's distribution. The server's own sampler says what is kept and cut.

async function runSampler(settings, signal, results) {
  const answer = await postJson("/v1/distribution", {
    models: settings.models,
    input: settings.text === "" ? [served[0].start_of_text] : inputOf(settings.text),
    ...samplerOf(settings),
    top: Number(settings.top),
    command: true,
  }, signal);
  const isOpen = results.querySelector("details")?.open ?? false;
  clear(results);
  add(results, "p", "hint", "Light bar: the probability at this temperature. Solid bar: the chance to be drawn. " +
      "The others are cut, by the option that stands behind them.");
  const columns = add(results, "div", "columns");
  const greatest = Math.max(...answer.models.flatMap((model) => model.tokens.map((token) => Math.max(token.chance, token.scaled))));
  for (const model of answer.models) addDistribution(columns, model, greatest);
  addCommands(results, answer.models.map((model) => model.gpt2run_command));
  results.querySelector("details").open = isOpen;
}

// One precision's bars. greatest: the chance of the longest bar of all.
function addDistribution(parent, model, greatest) {
  const column = add(parent, "article", "distribution");
  add(column, "h3", "", model.model);
  const kept = model.kept === 1 ? "1 token kept" : model.kept + " tokens kept";
  add(column, "p", "speed", `${kept}, ${percent(model.kept_probability)} of the probability; entropy ${short(model.entropy)} nats`);
  const bars = add(column, "div", "bars");
  for (const token of model.tokens) addTokenBar(bars, token, greatest);
}

function addTokenBar(parent, token, greatest) {
  const line = add(parent, "div", token.cut_by ? "bar-line cut" : "bar-line");
  line.title = `logit ${short(token.logit)}, probability ${percent(token.probability)}, at this temperature ${percent(token.scaled)}`;
  add(line, "span", "bar-name", quoted(token.token, token.id));
  const track = add(line, "span", "bar-track");
  setShare(add(track, "span", "bar-chance"), token.chance / greatest);
  setShare(add(track, "span", "bar-scaled"), token.scaled / greatest);
  add(line, "span", "bar-number", chanceInWords(token));
}
