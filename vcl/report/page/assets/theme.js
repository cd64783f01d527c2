// Dark and light: as the system says until the reader chooses.
"use strict";

const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const probe = element("span", { hidden: true });

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkSystem.matches;
}

/** A colour of the style sheet, by the name of its variable, as it is in the present theme. */
function colour(name) {
  probe.style.color = `var(--${name})`;
  if (!probe.isConnected) document.body.append(probe);
  return getComputedStyle(probe).color;
}

/** The button that chooses; `onchange` is called when colours have changed. */
function startTheme(button, onchange) {
  const chosen = recall("theme", null);
  if (chosen) document.documentElement.dataset.theme = chosen;
  const show = () => {
    button.textContent = isDark() ? "Light colours" : "Dark colours";
    onchange();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember("theme", document.documentElement.dataset.theme);
    show();
  });
  darkSystem.addEventListener("change", show);
  show();
}
