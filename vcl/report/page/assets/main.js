// Puts the page together from the report that is embedded in it.
"use strict";

const RELOAD_SECONDS = 30;

function start() {
  const report = JSON.parse(document.getElementById("report").textContent);
  startTheme(document.getElementById("theme"), redrawCharts);
  showWhen(report);
  showProgress(report);
  const content = document.getElementById("content");
  if (report.runs.length > 1) {
    if (report.comparison) content.append(overviewSection(report.comparison, report.runs));
    content.append(runChooser(report));
  } else {
    content.append(...runSections(report.runs[0], report));
  }
  showContents();
  restoreScroll();
}

function runSections(run, report) {
  return present([
    numbersSection(run, report),
    matrixSection(run, report),
    proofSection(run),
    framesSection(run, report),
    trainingSection(run),
    weightsSection(run),
    statisticsSection(run),
    provenanceSection(run),
  ]);
}

/** The chooser of a run and, below it, that run's sections. */
function runChooser(report) {
  const box = element("div", {});
  const show = (index) => {
    const run = report.runs[index];
    remember("run", run.name);
    const state = run.finished ? "finished" : `not finished: ${run.measured} of ${run.planned} sessions`;
    about.replaceChildren(run.title, ` · ${state}`);
    box.replaceChildren(...runSections(run, report));
    showContents();
  };
  const about = element("p", { class: "note" });
  const known = report.runs.findIndex((run) => run.name === recall("run", null));
  const options = report.runs.map((run, value) => ({ value, label: run.name }));
  const chooser = select("Run", options, Math.max(0, known), (value) => show(Number(value)));
  show(Math.max(0, known));
  const head = section("run", "One run", null, element("div", { class: "controls" }, chooser), about);
  head.classList.add("chooser");
  return element("div", {}, head, box);
}

function showWhen(report) {
  const written = document.getElementById("written");
  const age = document.getElementById("age");
  written.textContent = localTimeText(report.written);
  const tick = () => (age.textContent = agoText(Date.parse(report.written)));
  tick();
  setInterval(tick, 20000);
  document.getElementById("version").textContent = `vcl ${report.version}`;
}

/** How far the runs are; a page that is kept fresh while one goes on can load itself again. */
function showProgress({ runs, live }) {
  const line = document.getElementById("progress");
  const unfinished = runs.filter((run) => !run.finished);
  if (runs.length === 1) {
    const [run] = runs;
    const sessions = `${run.measured} of ${countText(run.planned, "session")}`;
    line.append(element("span", {}, run.title),
      element("span", { class: "pill" }, run.finished ? `finished, ${sessions}` : `not finished, ${sessions}`));
  } else {
    const state = unfinished.length ? `${unfinished.length} of ${runs.length} runs not finished`
      : `${runs.length} runs, all finished`;
    line.append(element("span", { class: "pill" }, state));
  }
  if (live && unfinished.length) line.append(reloadControl(RELOAD_SECONDS));
}

/** The links to the sections, and which of them is being read. */
function showContents() {
  const sections = [...document.querySelectorAll("main section")];
  const links = sections.map((part) => element("a", { href: `#${part.id}` }, part.dataset.title));
  document.getElementById("contents").replaceChildren(element("ul", {}, links.map((link) => element("li", {}, link))));
  const seen = new IntersectionObserver(
    (entries) =>
      entries.forEach((entry) => {
        if (!entry.isIntersecting) return;
        links.forEach((link, index) => (sections[index] === entry.target ? link.setAttribute("aria-current", "true")
          : link.removeAttribute("aria-current")));
      }),
    { rootMargin: "-15% 0px -75% 0px" },
  );
  sections.forEach((part) => seen.observe(part));
}

document.addEventListener("DOMContentLoaded", start);
