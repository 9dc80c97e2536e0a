// Upload: asks /predict for one file after the other and shows each answer as text, whatever the file's name.

const form = document.getElementById("upload");
const input = document.getElementById("file");
const folder = document.getElementById("folder");
const drop = document.querySelector(".drop");
const progress = document.getElementById("progress");
const answers = document.getElementById("answers");
const maps = document.getElementById("maps");
const opacity = document.getElementById("opacity");
const stop = document.getElementById("stop");

const MOST_FILES = Number(form.dataset.most);
const MOST_BYTES = Number(form.dataset.mostMb) * 2 ** 20 - 4096; // the form around the file
const MOST_ATTEMPTS = 20;

const queue = [];
const count = { chosen: 0, answered: 0, failed: 0 };
let running = false;
let request = null;

function line(tag, text, kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = kind;
  return element;
}

function size(bytes) {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function tell() {
  const rest = count.chosen - count.answered - count.failed;
  const failed = count.failed ? `, ${count.failed} without an answer` : "";
  progress.textContent = count.chosen ? `${count.answered} of ${count.chosen} answered${failed}${rest ? "" : ". Done."}` : "";
  stop.hidden = !rest;
}

// --- one file

function card(file, name) {
  const item = document.createElement("li");
  const bar = document.createElement("progress");
  item.className = "panel answer-card";
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Progress of ${name}`);
  item.append(line("h2", name), line("p", size(file.size), "faint"), bar, line("p", "waits", "faint state-line"));
  answers.append(item);
  return item;
}

function say(item, text, kind = "faint") {
  const place = item.querySelector(".state-line");
  place.textContent = text;
  place.className = `${kind} state-line`;
}

function fail(item, text) {
  item.querySelector("progress")?.remove();
  say(item, text, "error");
  count.failed += 1;
  tell();
}

function send(file, item) {
  return new Promise((resolve) => {
    const body = new FormData();
    const bar = item.querySelector("progress");
    body.append("file", file, file.name);
    request = new XMLHttpRequest();
    request.open("POST", "/predict?drawn=true");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => { bar.removeAttribute("value"); say(item, "asking the model…"); });
    const end = () => resolve(request);
    for (const name of ["load", "error", "abort"]) request.addEventListener(name, end);
    say(item, "uploading…");
    request.send(body);
  });
}

function content(answer) {
  try {
    return JSON.parse(answer.responseText);
  } catch {
    return { detail: answer.status ? `the server answered ${answer.status}` : "the server does not answer" };
  }
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function ask(file, item) {
  if (file.size > MOST_BYTES) return fail(item, `larger than ${form.dataset.mostMb} MB`);
  for (let attempt = 1; running; attempt += 1) {
    const answer = await send(file, item);
    if (!running) break;
    if ([429, 503].includes(answer.status) && attempt < MOST_ATTEMPTS && answer.getResponseHeader("Retry-After")) {
      const seconds = Number(answer.getResponseHeader("Retry-After")) || 5;
      say(item, `${answer.status === 429 ? "too often" : "not now"}: again in ${seconds} s`);
      await pause(seconds);
      continue;
    }
    const told = content(answer);
    if (answer.status !== 200) return fail(item, typeof told.detail === "string" ? told.detail : "The file was refused.");
    return show(file, item, told);
  }
  return fail(item, "stopped");
}

// --- its answer

function image(data, kind, text) {
  const element = document.createElement("img");
  element.src = data;
  element.alt = text;
  element.className = kind;
  return element;
}

function layers(answer, name) {
  const box = document.createElement("div");
  const both = document.createElement("div"); // as large as the picture; the box has room for the banner
  box.className = "layers";
  both.className = "pixels";
  const banner = line("p", document.querySelector(".banner").textContent, "burned");
  banner.setAttribute("aria-hidden", "true");
  both.append(image(`data:image/jpeg;base64,${answer.picture}`, "ground", `Radiograph ${name}`));
  if (answer.map) {
    const map = image(`data:image/png;base64,${answer.map}`, "activation", "");
    map.style.opacity = opacity.value / 100;
    both.append(map);
    maps.hidden = false;
  }
  box.append(both, banner);
  return box;
}

// as `percent_of` of the results: rounding never carries a score over the threshold
function percent(score, threshold) {
  const nearest = Math.round(1000 * score) / 10;
  if ((nearest >= 100 * threshold) === (score >= threshold)) return nearest.toFixed(1);
  return ((score >= threshold ? Math.ceil(1000 * score) : Math.floor(1000 * score)) / 10).toFixed(1);
}

function show(file, item, answer) {
  const presence = answer.score === null ? "undetermined" : answer.score >= answer.threshold ? "present" : "absent";
  item.querySelector("progress").remove();
  item.querySelector(".state-line").remove();
  const lines = answer.picture ? [layers(answer, answer.file)] : [];
  lines.push(line("p", answer.label, `large label ${presence}`));
  if (answer.score !== null) lines.push(line("p", `Score ${percent(answer.score, answer.threshold)} %, threshold ${Number((100 * answer.threshold).toPrecision(4))} %`));
  if (answer.reason) lines.push(line("p", answer.detail ?? answer.reason));
  if (answer.region) lines.push(line("p", answer.region.text, "faint"));
  lines.push(line("p", answer.model, "faint"));
  if (answer.results.length) lines.push(downloads(file, answer));
  item.append(...lines);
  count.answered += 1;
  tell();
}

function downloads(file, answer) {
  const place = line("p", "", "downloads");
  for (const kind of answer.results) {
    const button = line("button", kind.toUpperCase());
    button.type = "button";
    button.setAttribute("aria-label", `Download the ${kind.toUpperCase()} of ${answer.file}`);
    button.addEventListener("click", () => download(file, kind, button));
    place.append(button);
  }
  return place;
}

async function download(file, kind, button) {
  const body = new FormData();
  body.append("file", file, file.name);
  button.disabled = true;
  const answer = await fetch(`/predict/${kind}`, { method: "POST", body }).catch(() => null);
  button.disabled = false;
  if (!answer?.ok) {
    const told = (await answer?.json().catch(() => null))?.detail ?? "the server does not answer";
    button.after(line("span", told, "error"));
    return;
  }
  const link = document.createElement("a");
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name?.[1] ?? `${kind}.dcm`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// --- all files

async function run() {
  if (running) return;
  running = true;
  while (queue.length && running) await ask(...queue.shift());
  while (queue.length) fail(queue.shift()[1], "stopped");
  running = false;
  tell();
}

function add(files) {
  const room = MOST_FILES - queue.length;
  for (const { file, name } of files.slice(0, room)) queue.push([file, card(file, name)]);
  count.chosen += Math.min(files.length, room);
  tell();
  if (files.length > room) progress.textContent += ` Only ${MOST_FILES} files wait at a time: ${files.length - room} were left out.`;
}

const named = (list) => [...list].filter((file) => !file.name.startsWith("."))
  .map((file) => ({ file, name: file.webkitRelativePath || file.name }))
  .sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));

async function within(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    return file ? [{ file, name: `${path}${file.name}` }] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length || found.length > MOST_FILES) return found;
    for (const each of some) found.push(...await within(each, `${path}${entry.name}/`));
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  add(named(input.files));
  form.reset();
  run();
});
folder.addEventListener("change", () => { add(named(folder.files)); folder.value = ""; run(); });
stop.addEventListener("click", () => { running = false; request?.abort(); });
opacity.addEventListener("input", () => {
  for (const map of document.querySelectorAll(".activation")) map.style.opacity = opacity.value / 100;
});
for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, async (event) => {
  event.preventDefault();
  drop.classList.toggle("over", name === "dragover");
  if (name !== "drop") return;
  const entries = [...event.dataTransfer.items].map((each) => each.webkitGetAsEntry?.()).filter(Boolean);
  const files = (await Promise.all(entries.map((entry) => within(entry)))).flat();
  add(files.length ? files.filter(({ file }) => !file.name.startsWith(".")) : named(event.dataTransfer.files));
  run();
});
