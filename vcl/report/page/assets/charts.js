// Charts by Plotly, drawn when they come near the window, in the colours of the theme, each with its numbers as a
// table.
"use strict";

const SERIES_COLOURS = 7;
const DASHES = ["solid", "dash", "dot"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x"];
const LOG_TICKS = logTicks();
const charts = new Set();
const nearWindow = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => entry.target.draw()),
  { rootMargin: "300px" },
);

/** All charts that were drawn, again: in other colours. */
function redrawCharts() {
  charts.forEach((plot) => (plot.isConnected ? plot.redraw() : charts.delete(plot)));
}

/**
 * A chart.
 *
 * `series` are {name, x, y, error, bars, text, colour}: lines with points, or stacked bars. `x` and `y` are {title,
 * log,
 * range, categories}. `label` says in one line what the chart shows. `onpick(series, point)` is called for a click on a
 * point. Its numbers stand below it in a folded table: those of `series`, or of `numbers`, which then stay. Returns the
 * figure; its `redraw(series)` shows others.
 */
function chart({ label, series, x, y, height = 320, legend = true, numbers = null, onpick = null }) {
  const plot = element("div", { class: "plot", role: "img", "aria-label": label, style: `height: ${height}px` });
  const state = { series, hidden: new Set() };
  let drawn = false;

  plot.draw = () => {
    nearWindow.unobserve(plot);
    loadPlotly();
    const action = drawn ? Plotly.react : Plotly.newPlot;
    const traces = state.series.map((line, index) => trace(line, index, state.hidden.has(index)));
    action(plot, traces, chartLayout(x, y, state.series), { displayModeBar: false, responsive: true });
    if (!drawn && onpick) {
      plot.on("plotly_click", (event) => onpick(event.points[0].curveNumber, event.points[0].pointIndex));
    }
    drawn = true;
  };
  plot.redraw = () => drawn && plot.draw();
  charts.add(plot);
  nearWindow.observe(plot);

  const keys = element("div", { class: "legend", role: "group", "aria-label": `Shown in: ${label}` });
  const showKeys = () => keys.replaceChildren(...(legend ? legendKeys(state, plot.redraw) : []));
  showKeys();
  const table = element("div", {});
  const showTable = () => table.replaceChildren(folded("Numbers of this chart",
    () => seriesTable(label, x, numbers ?? state.series)));
  showTable();
  const figure = element("figure", { class: "chart" }, element("figcaption", {}, label), keys, plot, table);
  figure.redraw = (others) => {
    const isSame = others.length === state.series.length
      && others.every((line, i) => line.name === state.series[i].name);
    state.series = others;
    if (!isSame) state.hidden.clear();
    showKeys();
    if (!numbers) showTable();
    plot.redraw();
  };
  return figure;
}

/** Runs the embedded Plotly, once. */
function loadPlotly() {
  if (!window.Plotly) document.head.append(element("script", {}, document.getElementById("plotly").textContent));
}

function seriesColour(line, index) {
  return colour(line.colour ?? `series-${index % SERIES_COLOURS}`);
}

function trace(line, index, isHidden) {
  const own = seriesColour(line, index);
  const common = { name: line.name, x: line.x, y: line.y, text: line.text, visible: !isHidden,
    hovertemplate: hoverText(line) };
  if (line.bars) return { ...common, type: "bar", textposition: "none", marker: { color: own, line: { width: 0 } } };
  const cycle = Math.floor(index / SERIES_COLOURS);
  const isLine = line.x.length > 1 && !line.points;
  return {
    ...common,
    type: "scatter",
    mode: isLine ? (line.x.length > 40 ? "lines" : "lines+markers") : "markers",
    line: { color: own, width: 2, dash: line.colour ? "solid" : DASHES[cycle % DASHES.length] },
    marker: { color: own, size: line.size ?? (isLine ? 6 : 11),
      symbol: isLine || line.colour ? "circle" : SYMBOLS[(index + cycle) % SYMBOLS.length] },
    error_y: line.error ? { type: "data", array: line.error, color: own, thickness: 1.2, width: 3 } : undefined,
  };
}

function hoverText(line) {
  const values = line.text ? "%{text}" : "%{x}: %{y}";
  return `${escapedForPlotly(line.name)}<br>${values}<extra></extra>`;
}

/** Plotly reads a few tags in texts; a name shows its signs as they are. */
function escapedForPlotly(name) {
  return String(name).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "% {");
}

/** 1, 2 and 5 times the powers of ten, written out; Plotly alone would write the digit. */
function logTicks() {
  const words = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 1 });
  const tickvals = [];
  for (let power = -9; power <= 12; power += 1) tickvals.push(...[1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  return { tickmode: "array", tickvals, ticktext: tickvals.map((value) => words.format(value)) };
}

function chartLayout(x, y, series) {
  const axis = ({ title, log, range, categories, format }) => ({
    title: { text: escapedForPlotly(title), standoff: 10, font: { size: 12 } },
    type: categories ? "category" : log ? "log" : "linear",
    range,
    tickformat: format,
    ...(log ? LOG_TICKS : {}),
    automargin: true,
    color: colour("muted"),
    gridcolor: colour("line"),
    linecolor: colour("line"),
    zerolinecolor: colour("line-strong"),
    fixedrange: true,
  });
  return {
    xaxis: { ...axis(x), showgrid: !x.categories },
    yaxis: axis(y),
    barmode: series.some((line) => line.bars) ? "stack" : undefined,
    bargap: 0.35,
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line-strong"), font: { color: colour("text") } },
    margin: { l: 56, r: 12, t: 10, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("text") },
  };
}

/** Buttons that name the series in their colours and take them out of the chart. */
function legendKeys(state, redraw) {
  return state.series.map((line, index) => {
    const style = ["solid", "dashed", "dotted"][line.colour ? 0 : Math.floor(index / SERIES_COLOURS) % DASHES.length];
    const own = `var(--${line.colour ?? `series-${index % SERIES_COLOURS}`})`;
    const isDot = line.bars || line.points;
    const swatch = element("i", {
      "aria-hidden": "true",
      class: isDot ? "dot" : null,
      style: isDot ? `background: ${own}` : `border-top: 3px ${style} ${own}`,
    });
    const key = element("button",
      { type: "button", "aria-pressed": String(!state.hidden.has(index)), onclick: toggle }, swatch, line.name);
    function toggle() {
      if (!state.hidden.delete(index)) state.hidden.add(index);
      key.setAttribute("aria-pressed", String(!state.hidden.has(index)));
      redraw();
    }
    return key;
  });
}

/** The numbers of a chart: a row a point, a column a series; series with other x each get rows of their own. */
function seriesTable(label, x, series) {
  const places = [...new Set(series.flatMap((line) => line.x))];
  const known = series.map((line) => new Map(line.x.map((place, index) => [place, line.y[index]])));
  const columns = [{ label: x.title }, ...series.map((line) => ({ label: line.name, numeric: true }))];
  const rows = places.map((place) =>
    [String(place), ...known.map((values) => (values.has(place) ? shortNumber(values.get(place)) : ""))]);
  return dataTable(label, columns, rows);
}

function shortNumber(value) {
  if (value === null) return "n/a";
  return Number.isInteger(value) ? numberText(value, 0) : String(Number(value.toPrecision(4))).replace("-", MINUS);
}
