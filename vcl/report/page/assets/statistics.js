// Statistics of what a network computes: variance of its feature maps, and their spectra.
"use strict";

function statisticsSection(run) {
  const { statistics } = run;
  if (!statistics) return null;
  const parts = [statistics.layers?.length ? varianceChart(run, statistics.layers) : null,
    spectraPart(run, statistics)];
  return parts.some(Boolean) ? section("statistics", "Statistics", null, ...parts) : null;
}

function sessionName(run, session) {
  return `${session} ${run.videos[session]}`;
}

function varianceChart(run, layers) {
  const sessions = layers[0].variance.map((_, session) => session);
  return element(
    "div",
    {},
    element("h3", {}, "Variance of feature maps"),
    chart({
      label: "Variance of the output of each layer, a line a session",
      series: sessions.map((session) => ({
        name: sessionName(run, session),
        x: layers.map((layer) => layer.name),
        y: layers.map((layer) => layer.variance[session] ?? null),
      })),
      x: { title: "layer", categories: true },
      y: { title: "variance (log)", log: true },
    }),
  );
}

/** Spectra of one session, a chart for each group of feature maps and one for the frames. */
function spectraPart(run, { spectra = [], frames = [] }) {
  const groups = [...new Set(spectra.map((curve) => curve.group))].map((name) => ({
    name,
    curves: spectra.filter((curve) => curve.group === name),
  }));
  if (frames.length) groups.push({ name: "frames", curves: frames });
  if (!groups.length) return null;
  const seriesOf = ({ curves }, session) =>
    curves
      .filter((curve) => curve.log_amplitude[session])
      .map((curve) => ({ name: curve.name, x: curve.frequency, y: curve.log_amplitude[session] }));
  const count = Math.max(...groups.flatMap(({ curves }) => curves.map((curve) => curve.log_amplitude.length)));
  const figures = groups.map((group) =>
    chart({
      label: `Relative log amplitude by frequency: ${group.name}`,
      series: seriesOf(group, count - 1),
      x: { title: "frequency (share of Nyquist)" },
      y: { title: "relative log amplitude" },
      height: 280,
    }),
  );
  const choose = slider("Session", 0, count - 1, count - 1, (session) => {
    figures.forEach((figure, index) => figure.redraw(seriesOf(groups[index], session)));
    return sessionName(run, session);
  });
  choose.show(count - 1);
  return element(
    "div",
    {},
    element("h3", {}, "Spectra"),
    element("p", { class: "lead" },
      "How much of each frequency there is, on a log scale, relative to the mean (frequency 0) of " +
        "the block's whole output, or of the true frames."),
    element("div", { class: "controls" }, choose.element),
    element("div", { class: "pair" }, figures),
  );
}
