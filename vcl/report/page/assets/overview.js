// Several runs beside each other: a table, charts, published numbers, notes.
"use strict";

function overviewSection(comparison, runs) {
  const lead =
    "Runs that differ only in their seed are one row, as mean ± standard deviation. " +
    "A click on a heading sorts by it; of the finished runs, the best of a column is bold.";
  return section(
    "overview",
    "Overview",
    lead,
    comparisonTable(comparison, runs),
    comparison.notes?.length ? element("ul", { class: "notes" },
      comparison.notes.map((note) => element("li", {}, note))) : null,
    comparison.by_session?.length && comparison.videos ? sessionChart(comparison) : null,
    comparison.by_capacity?.length ? capacityChart(comparison.by_capacity) : null,
    costPart(comparison),
    comparison.published ? publishedPart(comparison.published) : null,
  );
}

function comparisonTable({ columns, rows }, runs) {
  const unfinished = (row) => row.runs.map((index) => runs[index]).filter((run) => !run.finished);
  const finished = rows.filter((row) => !unfinished(row).length);
  const best = Object.fromEntries(columns.map((column) => [column.key, bestValue(column, finished)]));
  const nameOf = (row) => {
    const [run] = unfinished(row);
    return run ? `${row.name} (${run.measured} of ${run.planned} sessions)` : row.name;
  };
  const heads = [{ label: "Run" }, ...columns.map((column) => ({ label: column.label, numeric: true }))];
  const cells = rows.map((row) => [
    { text: nameOf(row), value: row.name },
    ...columns.map(({ key }) => {
      const cell = row.cells[key];
      if (!cell) return { text: "n/a", value: null };
      return { text: cell.text, value: cell.mean, best: !unfinished(row).length && cell.mean === best[key] };
    }),
  ]);
  return dataTable("Runs side by side", heads, cells, { sortable: true });
}

/** The best mean of a column, or nothing to make bold where there is no better or all are equal. */
function bestValue({ key, better }, rows) {
  const values = rows.map((row) => row.cells[key]?.mean).filter((value) => typeof value === "number");
  if (!better || new Set(values).size < 2) return undefined;
  return better === "high" ? Math.max(...values) : Math.min(...values);
}

function sessionChart({ by_session: groups, videos }) {
  return element(
    "div",
    {},
    element("h3", {}, "By session"),
    chart({
      label: "PSNR of each session's video after the last session",
      series: groups.map(({ name, psnr, std }) => ({ name, x: videos, y: psnr, error: std })),
      x: { title: "video", categories: true },
      y: { title: "PSNR (dB)" },
      height: 360,
    }),
  );
}

function capacityChart(curves) {
  return element(
    "div",
    {},
    element("h3", {}, "By capacity"),
    chart({
      label: "PSNR by the share of the weights that a session may use",
      series: curves.map(({ name, capacity, psnr, spread }) => ({ name, x: capacity, y: psnr, error: spread })),
      x: { title: "capacity", format: ".0%" },
      y: { title: "average PSNR (dB)" },
      height: 320,
    }),
  );
}

function costPart({ columns, rows }) {
  const costs = [
    { key: "stored_bytes", label: "Stored bytes", title: "stored bytes (log)" },
    { key: "bits_per_pixel", label: "Bits per pixel", title: "bits per pixel (log)" },
  ].filter(({ key }) => columns.some((column) => column.key === key) && rows.some((row) => row.cells[key]?.mean > 0));
  if (!costs.length) return null;
  const box = element("div", {});
  const show = (key) => {
    const cost = costs.find((each) => each.key === key);
    box.replaceChildren(
      chart({
        label: `PSNR by ${cost.label.toLowerCase()}`,
        series: rows.map((row) => costPoint(row, key)),
        x: { title: cost.title, log: true },
        y: { title: "average PSNR (dB)" },
        height: 360,
      }),
    );
  };
  show(costs[0].key);
  const buttons = choice("Cost", costs.map(({ key, label }) => ({ value: key, label })), costs[0].key, show);
  return element("div", {}, element("h3", {}, "By cost"), element("div", { class: "controls" }, buttons.element), box);
}

function costPoint(row, key) {
  const [cost, psnr] = [row.cells[key], row.cells.psnr];
  const known = cost?.mean > 0 && typeof psnr?.mean === "number";
  return {
    name: row.name,
    x: known ? [cost.mean] : [],
    y: known ? [psnr.mean] : [],
    text: known ? [`${psnr.text} dB at ${cost.text}`] : [],
    error: known && psnr.std !== null ? [psnr.std] : undefined,
    points: true,
  };
}

function publishedPart({ rows, note }) {
  const columns = ["Run", "Published in", "What"].map((label) => ({ label }));
  columns.push(...["Ours (dB)", "Published (dB)", "Difference"].map((label) => ({ label, numeric: true })),
    { label: "Not comparable" });
  const cells = rows.map((row) => [
    row.run,
    [row.paper, row.source ? `, ${row.source}` : ""],
    row.what,
    numberText(row.ours),
    numberText(row.theirs),
    signedText(row.difference),
    row.not_comparable?.length
      ? element("ul", { class: "reasons" }, row.not_comparable.map((reason) => element("li", {}, reason))) : "–",
  ]);
  return element(
    "div",
    {},
    element("h3", {}, "Beside published numbers"),
    note ? element("p", { class: "lead" }, note) : null,
    dataTable("Published numbers beside ours", columns, cells),
  );
}
