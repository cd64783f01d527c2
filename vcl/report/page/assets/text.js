// Numbers, hashes and times as texts.
"use strict";

const MINUS = "−";

/** A number with so many digits behind the point; null is "n/a". */
function numberText(value, digits = 2, unit = "") {
  if (value === null || value === undefined) return "n/a";
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const signed = /^-[0.]*$/.test(text) ? text.slice(1) : text.replace("-", MINUS);
  return unit ? `${signed} ${unit}` : signed;
}

/** A difference, always with its sign; exactly nothing is a plain 0. */
function signedText(value, digits = 2, unit = "") {
  if (value === null || value === undefined || value === 0) return numberText(value, digits, value === 0 ? unit : "");
  return (value > 0 ? "+" : "") + numberText(value, digits, unit);
}

function percentText(share, digits = 0) {
  return share === null || share === undefined ? "n/a" : `${numberText(100 * share, digits)} %`;
}

function bytesText(count) {
  if (count === null || count === undefined) return "n/a";
  if (count < 1000) return `${count} B`;
  const power = Math.min(3, Math.floor(Math.log10(count) / 3));
  return `${numberText(count / 1000 ** power, count / 1000 ** power < 100 ? 1 : 0)} ${["B", "kB", "MB", "GB"][power]}`;
}

/** Seconds as the two largest units: "2 h 5 min", "40 s". */
function durationText(seconds) {
  if (seconds === null || seconds === undefined) return "n/a";
  if (seconds < 60) return `${numberText(seconds, seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A count with its noun: "1 session", "3 sessions". */
function countText(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** How long ago a moment (milliseconds since 1970) was. */
function agoText(moment) {
  const minutes = Math.floor((Date.now() - moment) / 60000);
  if (minutes < 1) return "less than a minute ago";
  if (minutes < 60) return `${countText(minutes, "minute")} ago`;
  if (minutes < 60 * 24) return `${countText(Math.floor(minutes / 60), "hour")} ago`;
  return `${countText(Math.floor(minutes / 60 / 24), "day")} ago`;
}

/** An ISO time as the reader's clock shows it. */
function localTimeText(iso) {
  if (!iso) return "n/a";
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** The beginning of a hash; all of it shows on hover. */
function shortHash(hash) {
  return hash ? element("code", { title: hash }, `${hash.slice(0, 8)}…`) : "n/a";
}
