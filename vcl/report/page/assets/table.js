// Tables of texts and numbers, sorted by a click on a column where that is of use.
"use strict";

/**
 * A table in a box that scrolls.
 *
 * `columns` are {label, numeric}; `rows` are lists of cells: a text, an element, or {text, value, best}, where `value`
 * (a number, a text or null) is what the column is sorted by. The first cell of a row names it.
 */
function dataTable(caption, columns, rows, { sortable = false } = {}) {
  const body = element("tbody", {});
  const heads = columns.map((column) =>
    heading("col", sortable ? "" : column.label, column.numeric ? "number" : null),
  );
  if (sortable) heads.forEach((head, index) => head.firstChild.append(sortButton(columns, heads, index, rows, body)));
  body.append(...rows.map((row) => tableRow(columns, row)));
  const table = element("table", {}, element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, heads)), body);
  return scrollBox(caption, table);
}

/** The head of a row or a column; long names wrap inside it. */
function heading(scope, content, kind = null) {
  return element("th", { scope, class: kind }, element("span", {}, content));
}

function tableRow(columns, row) {
  return element(
    "tr",
    {},
    row.map((cell, index) => {
      const content = isDescribed(cell) ? cell.text : cell;
      const kind = present([columns[index].numeric && "number", isDescribed(cell) && cell.best && "best"]).join(" ");
      return index ? element("td", { class: kind || null }, content) : heading("row", content, kind || null);
    }),
  );
}

function isDescribed(cell) {
  return cell !== null && typeof cell === "object" && !(cell instanceof Node) && !Array.isArray(cell);
}

function sortButton(columns, heads, index, rows, body) {
  return element("button", { type: "button", class: "sort", onclick: sort }, columns[index].label);

  function sort() {
    const direction = heads[index].getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[index].setAttribute("aria-sort", direction);
    const sorted = [...rows].sort((a, b) => compareCells(a[index], b[index], direction === "ascending" ? 1 : -1));
    body.replaceChildren(...sorted.map((row) => tableRow(columns, row)));
  }
}

/** Numbers by size and texts by the alphabet; what is not defined comes last in both directions. */
function compareCells(a, b, sign) {
  const [left, right] = [a, b].map((cell) => (isDescribed(cell) ? cell.value : cell));
  if (left === null || right === null) return (left === null) - (right === null);
  return sign * (typeof left === "number" ? left - right
    : String(left).localeCompare(String(right), "en", { numeric: true }));
}
