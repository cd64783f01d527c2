// Where the weights went: capacity by layer, what the masks share, and who claimed a weight first.
"use strict";

const CAPACITY_PARTS = [
  { key: "reused", name: "reused", colour: "series-0" },
  { key: "new", name: "new", colour: "series-4" },
  { key: "other", name: "used by other sessions", colour: "series-5" },
  { key: "free", name: "free", colour: "line-strong" },
];

function weightsSection(run) {
  const parts = [run.capacity?.length ? capacityPart(run) : null, run.subnetworks ? subnetworkPart(run) : null];
  if (!parts.some(Boolean)) return null;
  return section("weights", "Weights", null, ...parts);
}

function capacityPart(run) {
  const seriesOf = (layer) =>
    CAPACITY_PARTS.map(({ key, name, colour }) => ({
      name,
      colour,
      bars: true,
      x: layer.sessions.map((entry) => String(entry.session)),
      y: layer.sessions.map((entry) => entry[key] / layer.total),
      text: layer.sessions.map((entry) =>
        `${numberText(entry[key], 0)} weights, ${percentText(entry[key] / layer.total, 1)}`),
    }));
  const count = (layer) => `${layer.name} (${numberText(layer.total, 0)} weights)`;
  const figure = chart({
    label: "Share of a layer's weights that each session uses again, takes anew, or leaves",
    series: seriesOf(run.capacity[0]),
    x: { title: "session", categories: true },
    y: { title: "share of weights", range: [0, 1], format: ".0%" },
    height: 300,
  });
  const known = Math.min(recall("layer", 0), run.capacity.length - 1);
  const show = (value) => {
    remember("layer", Number(value));
    figure.redraw(seriesOf(run.capacity[Number(value)]));
  };
  const layers = select("Layer", run.capacity.map((layer, value) => ({ value, label: count(layer) })), known, show);
  if (known) show(known);
  return element("div", {}, element("h3", {}, "Capacity"), element("div", { class: "controls" }, layers), figure);
}

function subnetworkPart(run) {
  const { overlap, age } = run.subnetworks;
  return element(
    "div",
    { class: "pair" },
    shareTable({
      title: "Overlap of masks",
      lead: "How much of a session's mask (row) is in another's too (column), in %.",
      caption: "Overlap of the masks of sessions",
      values: overlap,
      sentence: (row, column, text) => `${text} of the mask of session ${row} is in that of session ${column}`,
      run,
    }),
    shareTable({
      title: "Age of weights",
      lead: "Of the weights that a session uses (row), how many each session claimed first (column), in %.",
      caption: "Age of the weights of sessions",
      values: age.map((line, row) => line.map((value, column) => (column > row ? null : value))),
      sentence: (row, column, text) =>
        `${text} of the weights of session ${row} were claimed first by session ${column}`,
      run,
    }),
  );
}

function shareTable({ title, lead, caption, values, sentence, run }) {
  const readout = element("p", { class: "readout", role: "status" });
  const names = values.map((_, session) => String(session));
  const show = (row, column) => {
    const text = percentText(values[row][column], 1);
    const name = (session) => `${session} (${run.videos[session]})`;
    readout.textContent = `${sentence(name(row), name(column), text)}.`;
  };
  const table = heatTable({
    caption,
    quiet: true,
    compact: true,
    corner: "session",
    rows: names,
    columns: names,
    low: 0,
    high: 1,
    cell: (row, column) => {
      const value = values[row][column] ?? null;
      return value === null ? null : { value, text: numberText(100 * value, 0) };
    },
    onshow: show,
  });
  show(values.length - 1, 0);
  return element("div", {}, element("h3", {}, title), element("p", { class: "lead" }, lead), table, readout);
}
