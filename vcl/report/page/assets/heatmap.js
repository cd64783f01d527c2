// A table of numbers, coloured by their size. The cells can be walked with the arrow keys.
"use strict";

/**
 * A heat table.
 *
 * `rows` and `columns` are their names; `cell(row, column)` gives {text, value, pending, empty, label} or null for no
 * cell.
 * `quiet` keeps the caption for screen readers, `compact` is for short texts. Cells whose value is a number are
 * coloured between `low` and `high`; `pending` ones are hatched. `onshow(row, column)`
 * is called when the pointer or the focus comes to a cell.
 */
function heatTable({ caption, quiet = false, compact = false, corner, rows, columns, cell, low, high, onshow }) {
  const grid = rows.map((_, row) => columns.map((_, column) => heatCell(cell(row, column), low, high)));
  const body = rows.map((name, row) => element("tr", {}, heading("row", name), grid[row]));
  const head = element("tr", {}, heading("col", corner), columns.map((name) => heading("col", name)));
  const table = element(
    "table",
    { class: columns.length > 10 || compact ? "heat compact" : "heat", role: "grid", "aria-readonly": "true" },
    element("caption", { class: quiet ? "unseen" : null }, caption),
    element("thead", {}, head),
    element("tbody", {}, body),
  );
  makeWalkable(grid, onshow);
  return scrollBox(caption, table);
}

function heatCell(content, low, high) {
  if (content === null) return element("td", { class: "empty" });
  const hasColour = typeof content.value === "number" && !content.pending;
  const share = high > low ? (content.value - low) / (high - low) : 0.5;
  return element(
    "td",
    {
      class: present([hasColour && "coloured", content.pending && "pending"]).join(" ") || null,
      style: hasColour ? `--share: ${Math.min(1, Math.max(0, share)).toFixed(3)}` : null,
      "aria-label": content.label,
      tabindex: -1,
    },
    content.text,
  );
}

/** One cell is in the order of the Tab key; from there arrows, Home and End go to the others. */
function makeWalkable(grid, onshow = () => {}) {
  let current = null;
  const isCell = (row, column) => grid[row]?.[column]?.hasAttribute("tabindex");

  function enter(row, column) {
    if (current) current.tabIndex = -1;
    current = grid[row][column];
    current.tabIndex = 0;
  }

  grid.forEach((line, row) =>
    line.forEach((td, column) => {
      if (!isCell(row, column)) return;
      if (!current) enter(row, column);
      td.addEventListener("focus", () => {
        enter(row, column);
        onshow(row, column);
      });
      td.addEventListener("pointerenter", () => onshow(row, column));
      td.addEventListener("click", () => td.focus());
      td.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        const goal = step
          ? [row + step[0], column + step[1]]
          : { Home: [row, line.findIndex((_, index) => isCell(row, index))],
            End: [row, line.findLastIndex((_, index) => isCell(row, index))] }[event.key];
        if (!goal) return;
        event.preventDefault();
        if (isCell(...goal)) grid[goal[0]][goal[1]].focus();
      });
    }),
  );
}

/** What the colours of a heat table mean: its ends, and what hatching stands for. */
function heatLegend(lowText, highText, pendingText) {
  return element(
    "p",
    { class: "heat-legend" },
    element("span", {}, lowText),
    element("span", { class: "heat-scale", "aria-hidden": "true" }),
    element("span", {}, highText),
    pendingText ? element("span", { class: "heat-pending" }, element("i", { "aria-hidden": "true" }), pendingText)
      : null,
  );
}
