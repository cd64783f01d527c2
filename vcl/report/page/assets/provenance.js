// Where a run came from: command, settings, versions, machine.
"use strict";

function provenanceSection(run) {
  const { provenance } = run;
  if (!provenance) return null;
  const facts = [
    ["Started", localTimeText(provenance.started)],
    ["Ended", provenance.ended ? localTimeText(provenance.ended) : "not yet"],
    ["Seed", String(provenance.seed)],
    ["Commit", provenance.commit ? element("code", { class: "hash" }, provenance.commit) : "n/a"],
    ...(provenance.machine ?? []),
  ];
  return section(
    "provenance",
    "Provenance",
    null,
    provenance.command ? commandBox(provenance.command) : null,
    element("h3", {}, "Settings that differ from the defaults"),
    provenance.differences?.length
      ? dataTable(
          "Settings that differ from the defaults",
          [{ label: "Setting" }, { label: "Value" }, { label: "Default" }],
          provenance.differences.map(([key, value, usual]) => [element("code", {}, key), value, usual]),
        )
      : element("p", {}, "None."),
    folded("Every setting", () =>
      dataTable("Every setting", [{ label: "Setting" }, { label: "Value" }],
        provenance.config.map(([key, value]) => [element("code", {}, key), value])),
    ),
    element("h3", {}, "Machine and versions"),
    definitions([...facts, ...(provenance.versions ?? [])], { class: "facts" }),
  );
}

function commandBox(command) {
  const answer = element("span", { role: "status", class: "note" });
  const code = element("code", {}, command);
  const button = element("button", { type: "button", onclick: copy }, "Copy");
  async function copy() {
    answer.textContent = (await copyText(command, code)) ? "Copied" : "Selected: press Ctrl+C";
  }
  return element("div", { class: "command" }, scrollBox("Command", element("pre", {}, code)),
    element("p", {}, button, answer));
}

/** Into the clipboard, or, where a browser gives a file none, selected for the reader to copy. */
async function copyText(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return false;
  }
}
