// Keys of all pages: nothing here needs a mouse, and nothing is taken from somebody who is writing.

const follow = (link) => link && location.assign(link.href);
const rows = () => [...document.querySelectorAll("tr:not([hidden]) a.open")];

function step(by) {
  const open = rows();
  if (!open.length) return follow(document.getElementById(by > 0 ? "next" : "previous"));
  const here = open.indexOf(document.activeElement);
  open[Math.max(0, Math.min(open.length - 1, here < 0 ? 0 : here + by))].focus();
}

function judge(key) {
  const choice = document.querySelector(`input[data-key="${key}"]`);
  if (!choice) return;
  choice.checked = true;
  const reader = document.querySelector("#feedback-form [name=reader]");
  if (reader && !reader.value) reader.focus();
  else choice.form.requestSubmit();
}

const actions = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => (document.getElementById("search-patient") ?? document.getElementById("search-uid"))?.focus(),
  w: () => location.assign("/"),
  "?": () => document.getElementById("keys").showModal(),
  a: () => judge("a"),
  d: () => judge("d"),
  u: () => judge("u"),
};

const writes = (target) => target.matches?.("input:not([type=radio]):not([type=range]), select, textarea");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
  const action = actions[event.key];
  if (!action || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  action();
});

document.getElementById("show-keys").addEventListener("click", actions["?"]);

document.addEventListener("click", (event) => {
  const row = event.target.closest?.("tr[data-row]");
  if (row && !event.target.closest("a, input, label, button") && !getSelection().toString()) follow(row.querySelector("a.open"));
});

// a picture that is not there yet, or never: the space stays black
document.addEventListener("error", (event) => event.target.matches?.("td.picture img") && event.target.removeAttribute("src"), true);
