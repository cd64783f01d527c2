// Two pictures over each other with a divider between them, which is a range: dragged, or moved by the arrow keys.
"use strict";

function swipe(aspect) {
  const below = element("img", { alt: "" });
  const above = element("img", { alt: "", class: "above" });
  const range = element("input", { type: "range", min: 0, max: 100, value: 50, step: 1 });
  const names = { left: element("span", { class: "tag left" }), right: element("span", { class: "tag right" }) };
  const line = element("span", { class: "divider", "aria-hidden": "true" });
  const box = element("div", { class: "swipe", style: `aspect-ratio: ${aspect}` }, below, above, range, line,
    names.left, names.right);

  const move = () => {
    box.style.setProperty("--divider", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${names.left.textContent}`);
  };
  range.addEventListener("input", move);

  /** Shows one picture on the left of the divider and one on its right, each {name, source}. */
  function show(left, right) {
    above.src = left.source;
    below.src = right.source;
    names.left.textContent = left.name;
    names.right.textContent = right.name;
    range.setAttribute("aria-label", `Divider: ${left.name} on its left, ${right.name} on its right`);
    move();
  }
  return { element: box, show };
}
