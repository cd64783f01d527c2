// The frames of a run: what was to be learned, what is decoded, and the difference.
"use strict";

function framesSection(run, report) {
  if (!run.clips?.length) {
    return section("frames", "Frames", null,
      element("p", { class: "note" }, run.measured
        ? "This page has no frames: none were asked for, or the videos are not at hand and the run saved none."
        : "No session has finished yet."));
  }
  const box = element("div", {});
  const show = (index) => {
    remember("video", index);
    thumbnails.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    box.replaceChildren(...clipViewer(run, run.clips[index], report));
  };
  const thumbnails = run.clips.map((clip, index) => thumbnail(run, clip, report, () => show(index)));
  show(Math.min(recall("video", 0), run.clips.length - 1));
  return section(
    "frames",
    "Frames",
    "Decoded after the last session. The error is the absolute difference, times the factor below it." +
      (run.clips.some((clip) => !clip.psnr)
        ? " The videos are not at hand: only the middle frames, which the run saved, can be shown." : ""),
    element("div", { class: "thumbnails", role: "group", "aria-label": "Video" }, thumbnails),
    box,
  );
}

function thumbnail(run, clip, report, onclick) {
  const frames = frameNumbers(clip);
  const source = report.clips[clip.clip].pictures[frames[Math.floor(frames.length / 2)]];
  const mean = clip.psnr ? numberText(clip.psnr.reduce((sum, value) => sum + value, 0) / clip.psnr.length, 2, "dB")
    : null;
  return element(
    "button",
    { type: "button", onclick },
    element("img", { src: source, alt: "", style: `aspect-ratio: ${aspectOf(run)}` }),
    element("span", { class: "name" }, run.videos[clip.video]),
    mean ? element("span", { class: "detail" }, mean) : null,
  );
}

function aspectOf(run) {
  return `${run.size[1]} / ${run.size[0]}`;
}

/** The frames of a clip that have pictures, in order. */
function frameNumbers(clip) {
  return Object.keys(clip.pictures).map(Number).sort((a, b) => a - b);
}

/** Everything about one video of a run: pictures, the frame that is shown, and PSNR by frame. */
function clipViewer(run, clip, report) {
  const frames = frameNumbers(clip);
  const pictures = pictureViews(run, clip, report);
  const line = clip.psnr ? frameChart(run, clip, frames, (frame) => range.show(nearest(frames, frame))) : null;
  const range = slider(`Frame${framesText(run, clip)}`, 0, frames.length - 1, 0, (index) => {
    const frame = frames[index];
    pictures.show(frame);
    line?.mark(frame);
    remember("frame", frame);
    return frameText(clip, frame);
  });
  range.show(nearest(frames, recall("frame", clip.worst?.[0] ?? frames[Math.floor(frames.length / 2)])));
  return [
    element("div", { class: "controls" }, pictures.controls, range.element),
    pictures.element,
    clip.worst?.length ? worstButtons(clip, (frame) => range.show(nearest(frames, frame))) : null,
    line?.element,
  ].filter(Boolean);
}

function nearest(frames, frame) {
  const distances = frames.map((each) => Math.abs(each - frame));
  return distances.indexOf(Math.min(...distances));
}

function framesText(run, clip) {
  const total = run.frames?.[clip.video];
  return total ? `, 0 to ${total - 1}` : "";
}

function frameText(clip, frame) {
  return clip.psnr ? `${frame} · ${numberText(clip.psnr[frame], 2, "dB")}` : String(frame);
}

function worstButtons(clip, onpick) {
  const buttons = clip.worst.map((frame) =>
    element("button", { type: "button", onclick: () => onpick(frame) }, frameText(clip, frame)),
  );
  return element("div", { class: "worst", role: "group", "aria-label": "Worst frames" },
    element("span", {}, "Worst frames"), buttons);
}

/** Three pictures beside each other, or two under a divider; `show(frame)` fills whichever is in use. */
function pictureViews(run, clip, report) {
  const truth = report.clips[clip.clip].pictures;
  const sides = [{ name: "truth", at: (frame) => truth[frame] }, ...otherDecodings(run, clip, report)];
  const divided = swipe(aspectOf(run));
  const error = `error × ${clip.gain}`;
  const images = Object.fromEntries(["truth", "decoded",
    error].map((name) => [name, element("img", { style: `aspect-ratio: ${aspectOf(run)}` })]));
  const row = element(
    "div",
    { class: "triple" },
    Object.entries(images).map(([name, image]) => element("figure", {}, image, element("figcaption", {}, name))),
  );
  const box = element("div", { class: "pictures" });
  const state = { frame: null, view: recall("view", "beside"), side: 0 };

  function show(frame) {
    state.frame = frame;
    const { decoded, error: difference } = clip.pictures[frame];
    box.replaceChildren(state.view === "beside" ? row : divided.element);
    against.hidden = state.view === "beside" || sides.length === 1;
    if (state.view === "beside") {
      Object.entries(images).forEach(([name, image], index) => {
        image.src = [truth[frame], decoded, difference][index];
        image.alt = `${name} of frame ${frame} of ${run.videos[clip.video]}`;
      });
      return;
    }
    const side = sides[state.side];
    const source = side.at(frame);
    divided.show({ name: source ? side.name : `${side.name}: not at hand`, source: source ?? decoded },
      { name: state.side ? run.name : "decoded", source: decoded });
  }

  const views = [{ value: "beside", label: "Side by side" }, { value: "swipe", label: "Swipe" }];
  const view = choice("View", views, state.view, (value) => {
    state.view = value;
    remember("view", value);
    show(state.frame);
  });
  const against = select("Against", sides.map(({ name }, value) => ({ value, label: name })), 0, (value) => {
    state.side = Number(value);
    show(state.frame);
  });
  return { element: box, controls: [view.element, against], show };
}

/** What other runs decode of the same video. */
function otherDecodings(run, clip, report) {
  return report.runs
    .filter((other) => other !== run)
    .flatMap((other) => (other.clips ?? []).filter((each) =>
      each.clip === clip.clip).map((each) => ({ name: other.name, each })))
    .map(({ name, each }) => ({ name, at: (frame) => each.pictures[frame]?.decoded }));
}

/** PSNR by frame; a click on a point shows the nearest frame that has a picture. */
function frameChart(run, clip, frames, onpick) {
  const all = clip.psnr.map((_, frame) => frame);
  const at = (numbers) => numbers.map((frame) => clip.psnr[frame]);
  const text = (numbers) => numbers.map((frame) => `frame ${frame}: ${numberText(clip.psnr[frame], 2, "dB")}`);
  const seriesAt = (shown) => [
    { name: "every frame", x: all, y: clip.psnr, text: text(all), colour: "accent" },
    { name: "frames with a picture", x: frames, y: at(frames), text: text(frames), colour: "accent", points: true,
      size: 8 },
    { name: "the frame shown", x: [shown], y: at([shown]), text: text([shown]), colour: "series-1", points: true,
      size: 13 },
  ];
  const figure = chart({
    label: `PSNR by frame of ${run.videos[clip.video]}`,
    series: seriesAt(frames[0]),
    x: { title: "frame" },
    y: { title: "PSNR (dB)" },
    height: 240,
    legend: false,
    numbers: [{ name: "PSNR (dB)", x: all, y: clip.psnr }],
    onpick: (series, point) => series < 2 && onpick([all, frames][series][point]),
  });
  return { element: figure, mark: (frame) => figure.redraw(seriesAt(frame)) };
}
