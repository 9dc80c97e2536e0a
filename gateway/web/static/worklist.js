// Studies of the worklist: unfolded ones stay so when the list renews itself, and until the tab is closed.

const KEY = "unfolded";
const unfolded = new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));

function show() {
  for (const link of document.querySelectorAll("a.unfold")) {
    const open = unfolded.has(link.dataset.study);
    link.setAttribute("aria-expanded", open);
    for (const row of document.querySelectorAll(`tr[data-folded="${link.dataset.study}"]`)) row.hidden = !open;
  }
}

function toggle(link) {
  const { study } = link.dataset;
  if (!unfolded.delete(study)) unfolded.add(study);
  sessionStorage.setItem(KEY, JSON.stringify([...unfolded]));
  show();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.unfold");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  toggle(link);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, select, textarea")) return;
  const row = document.activeElement.closest("tr[data-row]");
  const study = row?.dataset.folded ?? row?.id.slice("row-".length);
  const link = document.querySelector(`a.unfold[data-study="${study}"]`);
  if (!link) return;
  event.preventDefault();
  document.getElementById(`open-${study}`).focus();
  toggle(link);
});

document.addEventListener("htmx:afterSettle", show);
show();
