// What was decoded again after later sessions, and whether it was the same bit for bit.
"use strict";

const CHECK_KINDS = { frames: "all frames", sample: "a sample of frames", numbers: "the numbers that decode it" };

function proofSection(run) {
  if (!run.proof?.length) return null;
  const checks = run.proof.flatMap((entry) => entry.checks);
  const machines = machinesOf(checks);
  const unequal = checks.filter((check) => !check.equal).length;
  const rows = run.proof.map((entry) => [
    run.videos[entry.video],
    String(entry.session),
    shortHash(entry.sealed),
    entry.checks.length ? checkMarks(entry.checks, run.forgets) : `no later session${run.finished ? "" : " yet"}`,
    ...(machines.length > 1 ? [machinesOf(entry.checks).join(", ") || "–"] : []),
  ]);
  const labels = ["Video", "Sealed after session", "SHA-256 of its frames", "Decoded again after session"];
  const columns = [...labels, ...(machines.length > 1 ? ["Machine"] : [])].map((label) => ({ label }));
  return section(
    "proof",
    "Proof",
    "After later sessions a video is decoded again from what is on disk and compared with the hash taken when it was " +
      "sealed. Where that was not all of its frames, what was compared stands beside the mark.",
    proofVerdict(checks, unequal, run),
    machines.length === 1 ? element("p", { class: "note" }, `Decoded on ${machines[0]}.`) : null,
    dataTable("Checks of each video", columns, rows),
  );
}

function machinesOf(checks) {
  return [...new Set(checks.map((check) => check.machine).filter(Boolean))];
}

function proofVerdict(checks, unequal, { forgets, finished }) {
  const count = checks.length;
  if (!count) return element("p", { class: "verdict" }, 
    finished ? "Nothing to check: no session came after a video was learned."
      : "Nothing to check yet: no video has seen a later session.");
  if (!unequal) return element("p", { class: "verdict good" },
    `✓ ${countText(count, "check")}, all equal bit for bit${comparedText(checks)}.`);
  const text = `${unequal} of ${countText(count, "check")} found other bits`;
  if (forgets) return element("p", { class: "verdict" },
    `${text}, as expected: this method does not promise to keep earlier videos.`);
  return element("p", { class: "verdict bad" }, `✗ ${text}, and this method promises that there are none.`);
}

/** What was compared, where that was not always all frames. */
function comparedText(checks) {
  const kinds = Object.entries(CHECK_KINDS).map(([kind, name]) =>
    [checks.filter((check) => check.kind === kind).length, name]);
  const present = kinds.filter(([count]) => count);
  if (present.length === 1 && checks[0].kind === "frames") return "";
  return `: ${present.map(([count, name]) => `${count} of ${name}`).join(", ")}`;
}

function checkMarks(checks, forgets) {
  return element(
    "ul",
    { class: "marks" },
    checks.map((check) => {
      const kind = CHECK_KINDS[check.kind] ?? check.kind;
      const state = check.equal ? "good" : forgets ? "" : "bad";
      const verdict = check.equal ? "equal" : "differs";
      return element(
        "li",
        { class: state || null, title: `${kind}: ${verdict}` },
        `${check.session} ${check.equal ? "✓" : "✗"}`,
        element("span", { class: "unseen" }, ` ${kind} ${verdict}`),
        check.kind === "frames" ? null : element("small", {}, check.kind),
      );
    }),
  );
}
