// Colours by the logarithm of a value: the scale, its legend, and the mark of a limit on it.

// The whole decades that the positive values of a list span, at least two.
function scaleOf(values) {
  const exponents = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (exponents.length === 0) return {low: -8, high: 0};
  const high = Math.ceil(Math.max(...exponents));
  const low = Math.floor(exponents.sort((a, b) => a - b)[Math.floor(exponents.length / 50)]);
  return {low: Math.min(low, high - 2), high};
}

// Where a value lies on a scale, from 0 to 1. What is not finite lies at its upper end.
function shareOf(value, scale) {
  if (value === null || Number.isNaN(value)) return 1;
  if (value <= 0) return 0;
  return Math.min(1, Math.max(0, (Math.log10(value) - scale.low) / (scale.high - scale.low)));
}

// The colours of a scale with its decades. mark: a value to be marked, with its name, or null.
function addLegend(parent, title, scale, mark) {
  const legend = add(parent, "figure", "legend");
  add(legend, "figcaption", "", title);
  const bar = add(legend, "div", "legend-bar");
  if (mark) setShare(add(bar, "div", "legend-mark"), shareOf(mark.value, scale));
  const ticks = add(legend, "div", "legend-ticks");
  const step = Math.ceil((scale.high - scale.low) / 5);
  for (let exponent = scale.low; exponent <= scale.high; exponent += step)
    setShare(add(ticks, "span", "", "1e" + exponent), (exponent - scale.low) / (scale.high - scale.low));
  if (mark) add(legend, "p", "hint", "The line marks " + mark.name + ", " + short(mark.value) + ".");
  return legend;
}
