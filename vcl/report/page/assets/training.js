// PSNR and loss while the sessions were trained.
"use strict";

function trainingSection(run) {
  const columns = run.training;
  if (!columns?.session?.length) return null;
  const sessions = [...new Set(columns.session)];
  const titles = { psnr: "PSNR of the trained frames (dB)", loss: "loss" };
  const seriesOf = (name) =>
    sessions.map((session) => {
      const at = columns.session.flatMap((each, index) => (each === session ? [index] : []));
      const values = (column) => at.map((index) => columns[column][index]);
      const text = at.map((i) =>
        `epoch ${columns.epoch[i] + 1}, step ${columns.step[i]}: ${shortNumber(columns[name][i])}`);
      return { name: `${session} ${run.videos[session]}`, x: values("step"), y: values(name), text };
    });
  const figure = (name) =>
    chart({
      label: name === "psnr" ? "PSNR by step, a line a session" : "Loss by step, a line a session",
      series: seriesOf(name),
      x: { title: "step of the session" },
      y: { title: titles[name], log: name === "loss" && columns.loss.every((value) => value > 0) },
    });
  const box = element("div", {});
  const show = (name) => {
    remember("curve", name);
    box.replaceChildren(figure(name));
  };
  const first = recall("curve", "psnr");
  const buttons = choice("Curve", [{ value: "psnr", label: "PSNR" }, { value: "loss", label: "Loss" }], first, show);
  show(first);
  return section("training", "Training", null, element("div", { class: "controls" }, buttons.element), box);
}
