"use strict";

// What the pages of sinks share: elements, the data, and rows of tokens with their shares.

// An element with properties; children are elements or texts. Texts are never read as HTML.
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

// The documents of the page's data, in their order.
function allData() {
  return [...document.querySelectorAll("script.data")].map((element) => JSON.parse(element.textContent));
}

function setShare(element, share) {
  element.style.setProperty("--share", String(Math.max(0, Math.min(1, share || 0))));
}

// Fills a select with [value, text] pairs.
function fillSelect(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
}

function percent(share) {
  if (share === null) return "?";
  return (100 * share).toFixed(share < 0.1 ? 2 : 1) + " %";
}

// A row of a table of shares: texts, and a bar of this length.
function shareRow(share, ...texts) {
  const bar = make("span");
  setShare(bar, share);
  return make("tr", {}, ...texts.map((text) => make("td", {}, text)), make("td", { className: "bar" }, bar));
}

// One element of a group is in the order of the tab key: that which had the focus last. Arrow keys move the focus by
// `columns` elements up and down.
function moveWithArrows(container, elements, columns) {
  const steps = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns(), ArrowDown: () => columns() };
  container.addEventListener("keydown", (event) => {
    const all = elements();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    let next = event.key in steps ? at + steps[event.key]() : at;
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = all.length - 1;
    if (next === at || next < 0 || next >= all.length) return;
    event.preventDefault();
    all[next].focus();
  });
  container.addEventListener("focusin", (event) => {
    const all = elements();
    if (!all.includes(event.target)) return;
    for (const element of all) element.tabIndex = element === event.target ? 0 : -1;
  });
}
