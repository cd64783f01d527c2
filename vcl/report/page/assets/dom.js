// Small helpers that make elements. A string always becomes a text node, so no name is ever read as HTML.
"use strict";

/**
 * An element: `element("td", {class: "number", onclick: show}, "text", child)`. Attributes that are null are left
 * out.
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...present(children.flat()));
  return node;
}

function present(values) {
  return values.filter((value) => value !== null && value !== undefined && value !== false);
}

/** A section of the page with a heading and, below it, a line on how to read it. */
function section(id, title, lead, ...children) {
  const heading = element("h2", { id: `${id}-title` }, title);
  return element(
    "section",
    { id, "aria-labelledby": `${id}-title`, "data-title": title },
    heading,
    lead ? element("p", { class: "lead" }, lead) : null,
    ...children,
  );
}

/**
 * Buttons of which one is pressed. `options` are {value, label}; returns the element and a function that presses
 * one.
 */
function choice(label, options, selected, onchange) {
  const buttons = options.map((option) =>
    element("button", { type: "button", onclick: () => press(option.value, true) }, option.label),
  );
  function press(value, tell = false) {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(options[index].value === value)));
    if (tell) onchange(value);
  }
  press(selected);
  const group = element("div", { class: "choice", role: "group", "aria-label": label }, buttons);
  return { element: group, press };
}

let controls = 0;

function labelOf(control, text) {
  control.id = `control-${(controls += 1)}`;
  return element("label", { for: control.id }, text);
}

/** A labelled <select>. `options` are {value, label}; `onchange` gets the chosen value, as text. */
function select(label, options, selected, onchange) {
  const list = element(
    "select",
    { onchange: () => onchange(list.value) },
    options.map((option) =>
      element("option", { value: option.value, selected: String(option.value) === String(selected) }, option.label),
    ),
  );
  return element("div", { class: "field" }, labelOf(list, label), list);
}

/** A labelled range; `onchange` gets the number, and what it returns is shown beside the range and read aloud. */
function slider(label, minimum, maximum, value, onchange) {
  const output = element("output", {});
  const range = element("input", { type: "range", min: minimum, max: maximum, value, step: 1 });
  function show(number) {
    range.value = number;
    const text = onchange(Number(range.value));
    output.textContent = text;
    range.setAttribute("aria-valuetext", text);
  }
  range.addEventListener("input", () => show(Number(range.value)));
  return { element: element("div", { class: "field slider" }, labelOf(range, label), range, output), range, show };
}

/** Folded content, made when it is first opened. */
function folded(summary, content) {
  const details = element("details", {}, element("summary", {}, summary));
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(content()));
  return details;
}

/** A definition list of [term, value] pairs; a value is text or an element. */
function definitions(pairs, attributes = {}) {
  return element(
    "dl",
    attributes,
    pairs.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))),
  );
}

/** A box that scrolls where its content is larger; it takes the focus only then. */
function scrollBox(label, child) {
  const box = element("div", { class: "scroll", role: "region", "aria-label": label }, child);
  const watch = new ResizeObserver(() => {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  watch.observe(box);
  watch.observe(child);
  return box;
}
