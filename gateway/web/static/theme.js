// The theme: the system's, or the one that was chosen here; a page may fix its own. Runs before the page is painted.

(() => {
  const key = "cxr-gateway-theme";
  const system = matchMedia("(prefers-color-scheme: light)");
  const sheet = document.getElementById("light");
  const fixed = document.documentElement.dataset.theme;
  let chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch {
    // nothing is remembered here: the system's theme
  }

  const isLight = () => (fixed ?? chosen ?? (system.matches ? "light" : "dark")) === "light";

  function apply() {
    sheet.media = isLight() ? "all" : "print";
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = Boolean(fixed);
    button.firstChild.textContent = isLight() ? "Dark " : "Light ";
  }

  function change() {
    chosen = isLight() ? "dark" : "light";
    try {
      localStorage.setItem(key, chosen);
    } catch {
      // the choice holds until the page is left
    }
    apply();
  }

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", change);
  });
})();
