// What the reader chose, kept over a reload of this page: sessionStorage, by the path of the file.
"use strict";

function memoryKey(name) {
  return `vcl report ${location.pathname} ${name}`;
}

function remember(name, value) {
  try {
    sessionStorage.setItem(memoryKey(name), JSON.stringify(value));
  } catch {
    // A browser may refuse storage for files; then nothing is kept.
  }
}

function recall(name, fallback) {
  try {
    const text = sessionStorage.getItem(memoryKey(name));
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** The page again every so many seconds, at the same place, while a run goes on. Returns the checkbox. */
function reloadControl(seconds) {
  const box = element("input", { type: "checkbox", id: "reload" });
  box.checked = recall("reload", true);
  box.addEventListener("change", () => remember("reload", box.checked));
  setInterval(() => box.checked && location.reload(), 1000 * seconds);
  return element("label", { class: "check" }, box, `Reload every ${seconds} s`);
}

/** Scroll to where the page was before it was reloaded, or to the section in the address. */
function restoreScroll() {
  history.scrollRestoration = "manual";
  addEventListener("pagehide", () => remember("scroll", scrollY));
  const place = recall("scroll", 0);
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (place) scrollTo({ top: place, behavior: "instant" });
  else if (target) target.scrollIntoView();
}
