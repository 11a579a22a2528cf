"use strict";
// Small functions that make elements and write numbers. Text only ever reaches the page by textContent.

function byId(id) {
  return document.getElementById(id);
}

// A new element.
function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// Puts a new element at the end of another one.
function add(parent, name, className = "", text = "") {
  const element = make(name, className, text);
  parent.append(element);
  return element;
}

function clear(element) {
  element.replaceChildren();
}

// A row of a table. The first cell is its head.
function addRow(table, cells) {
  const row = add(table, "tr");
  cells.forEach((text, i) => add(row, i === 0 ? "th" : "td", "", text));
  if (row.firstChild) row.firstChild.scope = "row";
  return row;
}

// A table with these column heads. Returns the part that takes rows.
function addTable(parent, caption, heads) {
  const frame = add(parent, "div", "scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", caption);
  const table = add(frame, "table");
  add(table, "caption", "", caption);
  const row = add(add(table, "thead"), "tr");
  for (const head of heads) add(row, "th", "", head).scope = "col";
  return add(table, "tbody");
}

// A number with three digits, such as 0.0123 and 4.13e-5.
function short(value) {
  if (value === null || value === undefined) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

function percent(value) {
  if (value === 0) return "0%";
  if (value > 0 && value < 0.0001) return (value * 100).toExponential(1) + "%";
  return (value * 100).toFixed(value < 0.01 ? 3 : 1) + "%";
}

// A token in quotes, with its spaces and line breaks to be seen. A token without a text is shown by its id.
function quoted(text, id) {
  return text === "" ? "#" + id : JSON.stringify(text);
}

// Shows a share in [0, 1] by the style rules that use --share.
function setShare(element, share) {
  element.style.setProperty("--share", String(Math.min(1, Math.max(0, share))));
}

// A closed part "As a command" with these lines, each with a button that copies it.
function addCommands(parent, lines) {
  const part = add(parent, "details", "commands");
  add(part, "summary", "", "As a command");
  for (const line of lines) {
    const entry = add(part, "div", "command");
    const code = add(entry, "pre", "", line);
    code.tabIndex = 0;
    const button = add(entry, "button", "", "Copy");
    button.type = "button";
    button.addEventListener("click", () => copy(code, button));
  }
}

// Copies an element's text; where the browser does not allow that, selects it.
async function copy(element, button) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(element);
    button.textContent = "Selected";
  }
}

// Makes one of the elements reachable by Tab and the others by arrow keys. columns: how far up and down lead.
function useArrowKeys(elements, columns) {
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
  elements.forEach((element, i) => {
    element.tabIndex = i === 0 ? 0 : -1;
    element.addEventListener("focus", () => {
      for (const other of elements) other.tabIndex = -1;
      element.tabIndex = 0;
    });
    element.addEventListener("keydown", (event) => {
      const ends = {Home: 0, End: elements.length - 1};
      const next = event.key in ends ? ends[event.key] : i + (steps[event.key] ?? NaN);
      if (!elements[next]) return;
      event.preventDefault();
      elements[next].focus();
    });
  });
}
