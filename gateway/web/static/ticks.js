// Ticked rows of the worklist: they are kept while the list renews itself, and say what "Retry" is about.

const ticked = new Set();
let focused = "";

function box(row) {
  const tick = document.createElement("input");
  const time = row.querySelector("time");
  tick.type = "checkbox";
  tick.className = "tick";
  tick.name = "row";
  tick.value = row.id.replace("row-", "");
  tick.id = `tick-${tick.value}`;
  tick.checked = ticked.has(tick.value);
  tick.setAttribute("form", "bulk");
  tick.setAttribute("aria-label", `Choose the image${time ? ` of ${time.textContent}` : ""}`);
  return tick;
}

// The images that are folded below a study's row are chosen with it.
function folded(tick) {
  return document.querySelectorAll(`tr[hidden][data-folded="${tick.value}"] .tick`);
}

function tell() {
  const place = document.getElementById("ticked");
  if (place) place.textContent = ticked.size ? `${ticked.size} chosen:` : "All that match:";
}

function show() {
  if (!document.getElementById("bulk-retry")) return;
  const here = new Set();
  for (const row of document.querySelectorAll("tr[data-row]")) {
    if (!row.querySelector(".tick")) row.cells[0].prepend(box(row));
    here.add(row.id.replace("row-", ""));
  }
  for (const each of [...ticked]) if (!here.has(each)) ticked.delete(each);
  if (focused) document.getElementById(focused)?.focus();
  focused = "";
  tell();
}

document.addEventListener("change", (event) => {
  if (!event.target.matches?.(".tick")) return;
  for (const tick of [event.target, ...folded(event.target)]) {
    tick.checked = event.target.checked;
    if (tick.checked) ticked.add(tick.value);
    else ticked.delete(tick.value);
  }
  tell();
});
document.addEventListener("htmx:beforeSwap", () => {
  const { activeElement } = document;
  focused = activeElement?.matches(".tick") ? activeElement.id : "";
});
document.addEventListener("htmx:afterSettle", show);
show();
