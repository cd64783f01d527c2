// The numbers of a run and its matrix, with a panel that shows everything about one cell.
"use strict";

function numbersSection(run, report) {
  const { numbers } = run;
  if (!numbers) return section("numbers", "Result", null, element("p", {}, "Nothing has been measured yet."));
  const help = report.help ?? {};
  const tile = (label, value, detail, explanation) =>
    element(
      "div",
      { class: "tile" },
      element("dt", {}, label),
      element("dd", { class: "value" }, ...withSmallUnit(value)),
      detail ? element("dd", { class: "detail" }, detail) : null,
      explanation ? element("dd", { class: "help" }, explanation) : null,
    );
  const others = report.metrics.filter((metric) => metric.name !== "psnr");
  const detail = others.map((metric) => `${metric.label} ${numberText(numbers.average[metric.name], metric.digits)}`);
  const tiles = [
    tile("Average PSNR", numberText(numbers.average.psnr, 2, "dB"), detail.join(" · "), help.average),
    tile("Backward transfer", signedText(numbers.backward_transfer, 2, "dB"), null, help.backward_transfer),
    tile("Forgetting", numberText(numbers.forgetting, 2, "dB"), null, help.forgetting),
    tile("Forward transfer", signedText(numbers.forward_transfer, 2, "dB"), null, help.forward_transfer),
    tile("Stored", bytesText(numbers.stored_bytes), storedText(numbers.stored), help.stored_bytes),
    tile("Rate", numberText(numbers.bits_per_pixel, 3, "bits per pixel"), null, help.bits_per_pixel),
    tile("Training", durationText(numbers.seconds), updatesText(numbers)),
    tile("Decoding", numberText(numbers.decode_fps, 1, "frames/s"), null, help.decode_fps),
  ];
  return section("numbers", "Result", null, element("dl", { class: "tiles" }, tiles));
}

/** "29.70 dB" with its unit in small letters. */
function withSmallUnit(text) {
  const [number, ...unit] = text.split(" ");
  return unit.length ? [number, element("small", {}, ` ${unit.join(" ")}`)] : [number];
}

function updatesText(numbers) {
  return numbers.updates_per_frame === null ? null : `${numberText(numbers.updates_per_frame, 0)} updates per frame`;
}

function storedText(stored) {
  const names = { weight: "weights", mask: "masks", side: "side data", buffer: "buffers" };
  const parts = Object.entries(stored ?? {}).filter(([, count]) => count > 0);
  return parts.map(([name, count]) => `${names[name] ?? name} ${bytesText(count)}`).join(" · ");
}

function matrixSection(run, report) {
  if (!run.matrix.length) return null;
  const defined = ({ name }) => run.matrix.some((row) => row[name]?.some((value) => value !== null));
  const metrics = report.metrics.filter((metric) => metric.name === "psnr" || defined(metric));
  const panel = element("div", { class: "panel", role: "status" });
  const box = element("div", { class: "matrix-table" });
  const show = (name) => {
    remember("metric", name);
    box.replaceChildren(...matrixTable(run, metrics.find((metric) => metric.name === name), panel, report));
  };
  const known = recall("metric", "psnr");
  const first = metrics.some((metric) => metric.name === known) ? known : metrics[0].name;
  const buttons = choice("Metric", metrics.map(({ name, label }) => ({ value: name, label })), first, show);
  show(first);
  showCell(run, report, panel, run.matrix.length - 1, 0);
  return section(
    "matrix",
    "Matrix",
    report.help?.matrix,
    element("div", { class: "controls" }, buttons.element),
    element("div", { class: run.videos.length > 6 ? "above" : "beside" }, box, panel),
  );
}

function matrixTable(run, metric, panel, report) {
  const values = (row) => row[metric.name] ?? [];
  const learned = run.matrix.flatMap((row) => values(row).slice(0, row.session + 1)).filter((value) => value !== null);
  const [low, high] = [Math.min(...learned), Math.max(...learned)];
  const hasPending = run.matrix.some((row) =>
    values(row).some((value, video) => video > row.session && value !== null));
  const unit = metric.unit ? ` (${metric.unit})` : "";
  const table = heatTable({
    caption: `${metric.label}${unit} of each video after each session`,
    corner: "after session",
    rows: run.matrix.map((row) => String(row.session)),
    columns: run.videos,
    low,
    high,
    cell: (row, video) => {
      const { session } = run.matrix[row];
      const value = values(run.matrix[row])[video] ?? null;
      const pending = video > session;
      if (pending && value === null) return { text: "–", value: null, pending, label: "not measured" };
      const text = numberText(value, metric.digits);
      return { text: pending ? `(${text})` : text, value, pending };
    },
    onshow: (row, video) => showCell(run, report, panel, row, video),
  });
  const text = (value) => numberText(value, metric.digits, metric.unit);
  if (!learned.length) return [table];
  return [table, heatLegend(text(low), text(high), hasPending ? "in brackets: a video still to come" : null)];
}

function showCell(run, report, panel, row, video) {
  const line = run.matrix[row];
  const values = report.metrics.map((metric) =>
    [metric.label, numberText(line[metric.name]?.[video], metric.digits, metric.unit)]);
  const hash = (list) => (list?.[video] ? element("code", { class: "hash" }, list[video]) : "n/a");
  panel.replaceChildren(
    element("p", { class: "panel-title" }, run.videos[video]),
    element("p", { class: "panel-state" }, cellState(run, line, video)),
    definitions(values, { class: "metrics" }),
    definitions([
      ["SHA-256 of the frames", hash(line.sha256)],
      ["SHA-256 of the numbers", hash(line.state_sha256)],
      ["Machine", line.machine ?? "n/a"],
    ]),
  );
}

function cellState(run, line, video) {
  const after = `after session ${line.session}`;
  if (video > line.session) return `${after}: a video still to come`;
  if (video === line.session) return `${after}: just learned`;
  const checks = run.proof.find((entry) => entry.video === video)?.checks ?? [];
  const check = checks.find((each) => each.session === line.session);
  if (!check) return after;
  if (!check.equal) return `${after}: other frames than when it was sealed`;
  const compared = check.kind === "frames" ? "" : `, ${CHECK_KINDS[check.kind]}`;
  return `${after}: the same bits as when it was sealed${compared}`;
}
