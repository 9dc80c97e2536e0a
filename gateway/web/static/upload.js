// Upload: asks /predict and shows the answer as text, whatever the file's name.

const form = document.getElementById("upload");
const input = document.getElementById("file");
const drop = document.querySelector(".drop");
const preview = document.getElementById("preview");
const place = document.getElementById("prediction");

function line(tag, text, kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = kind;
  return element;
}

function tell(answer) {
  const presence = answer.score === null ? "undetermined" : answer.score >= answer.threshold ? "present" : "absent";
  const lines = [line("h2", answer.label, `label ${presence}`)];
  if (answer.score !== null) lines.push(line("p", `Score ${(100 * answer.score).toFixed(1)} %, threshold ${(100 * answer.threshold).toFixed(1)} %`, "large"));
  if (answer.reason) lines.push(line("p", answer.detail ?? answer.reason));
  if (answer.region) lines.push(line("p", answer.region.text, "faint"));
  lines.push(line("p", answer.model, "faint"));
  place.replaceChildren(...lines);
}

async function ask(event) {
  event.preventDefault();
  place.replaceChildren(line("p", "Asking the model…", "faint"));
  const answer = await fetch("/predict", { method: "POST", body: new FormData(form) }).catch(() => null);
  if (!answer) {
    place.replaceChildren(line("p", "The server does not answer.", "error"));
    return;
  }
  const content = await answer.json().catch(() => ({ detail: `the server answered ${answer.status}` }));
  if (answer.ok) tell(content);
  else place.replaceChildren(line("p", typeof content.detail === "string" ? content.detail : "The file was refused.", "error"));
}

function show() {
  const file = input.files[0];
  preview.hidden = !file?.type.startsWith("image/");
  if (!preview.hidden) preview.src = URL.createObjectURL(file);
}

form.addEventListener("submit", ask);
input.addEventListener("change", show);
for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, (event) => {
  event.preventDefault();
  drop.classList.toggle("over", name === "dragover");
  if (name === "drop") { input.files = event.dataTransfer.files; show(); }
});
