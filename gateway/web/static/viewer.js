// The radiograph with all its grey values: window and level, zoom and pan, and the activation map above it.

const viewer = document.getElementById("viewer");
const canvas = document.getElementById("radiograph");
const note = document.getElementById("viewer-note");
const shown = document.getElementById("window-level");
const slider = document.getElementById("opacity");
const context = canvas.getContext("2d", { alpha: false });

const HEAD_BYTES = 12;
const WHITE = 65535;
const MOST_ZOOM = 16;

const picture = { rows: 0, columns: 0, values: null, screen: document.createElement("canvas"), map: null };
const start = { centre: 0.5, width: 1, inverted: false, zoom: 1, x: 0, y: 0 };
let view = { ...start };
let due = { grey: false, frame: false };

async function load() {
  const answer = await fetch(viewer.dataset.pixels);
  if (!answer.ok) throw new Error("This image cannot be shown: it holds no single grey picture, or its file has been deleted.");
  const bytes = await answer.arrayBuffer();
  const head = new DataView(bytes);
  picture.rows = head.getUint32(4, true);
  picture.columns = head.getUint32(8, true);
  picture.values = new Uint16Array(bytes.slice(HEAD_BYTES));
  picture.screen.width = picture.columns;
  picture.screen.height = picture.rows;
  note.textContent = "";
  repaint(true);
  viewer.dataset.ready = "true";
}

function loadMap() {
  if (!viewer.dataset.activation) return;
  const map = new Image();
  map.addEventListener("load", () => { picture.map = map; repaint(); });
  map.src = viewer.dataset.activation;
}

function table() {
  const grey = new Uint8Array(WHITE + 1);
  const low = view.centre - view.width / 2;
  for (let value = 0; value <= WHITE; value++) {
    const level = Math.max(0, Math.min(1, (value / WHITE - low) / view.width));
    grey[value] = 255 * (view.inverted ? 1 - level : level) + 0.5;
  }
  return grey;
}

function applyWindow() {
  const pixels = picture.screen.getContext("2d");
  const image = pixels.createImageData(picture.columns, picture.rows);
  const out = new Uint32Array(image.data.buffer);
  const grey = table();
  const { values } = picture;
  for (let i = 0; i < values.length; i++) out[i] = 0xff000000 | (grey[values[i]] * 0x010101);
  pixels.putImageData(image, 0, 0);
}

function place() {
  const fit = Math.min(canvas.width / picture.columns, canvas.height / picture.rows);
  const scale = fit * view.zoom;
  const width = picture.columns * scale;
  const height = picture.rows * scale;
  return { x: (canvas.width - width) / 2 + view.x, y: (canvas.height - height) / 2 + view.y, width, height, scale };
}

function frame() {
  due.frame = false;
  if (due.grey) applyWindow();
  due.grey = false;
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const at = place();
  context.imageSmoothingEnabled = at.scale < 2;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.screen, at.x, at.y, at.width, at.height);
  const opacity = slider ? slider.value / 100 : 0;
  if (picture.map && opacity) {
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = true;
    context.drawImage(picture.map, at.x, at.y, at.width, at.height);
    context.globalAlpha = 1;
  }
  shown.value = `W ${Math.round(100 * view.width)} % L ${Math.round(100 * view.centre)} % · ${view.zoom.toFixed(1)}×`;
}

function repaint(grey = false) {
  if (!picture.values) return;
  due.grey ||= grey;
  if (!due.frame) requestAnimationFrame(frame);
  due.frame = true;
}

function setWindow(centre, width) {
  view.centre = Math.max(0, Math.min(1, centre));
  view.width = Math.max(0.01, Math.min(2, width));
  repaint(true);
}

function zoom(factor, x = canvas.width / 2, y = canvas.height / 2) {
  const next = Math.max(0.5, Math.min(MOST_ZOOM, view.zoom * factor));
  const ratio = next / view.zoom;
  view.x = (x - canvas.width / 2) * (1 - ratio) + view.x * ratio;
  view.y = (y - canvas.height / 2) * (1 - ratio) + view.y * ratio;
  view.zoom = next;
  repaint();
}

function pan(x, y) {
  view.x += x;
  view.y += y;
  repaint();
}

function reset() {
  view = { ...start };
  invertButton.setAttribute("aria-pressed", "false");
  repaint(true);
}

const invertButton = document.getElementById("invert");
function invert() {
  view.inverted = !view.inverted;
  invertButton.setAttribute("aria-pressed", String(view.inverted));
  repaint(true);
}

let remembered = 60;
function toggleMap() {
  if (!slider) return;
  if (Number(slider.value)) remembered = slider.value;
  slider.value = Number(slider.value) ? 0 : remembered;
  repaint();
}

// --- mouse and touch: drag for the window; with the right or middle button, or Shift, pan; the wheel zooms

canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("pointermove", (event) => {
  if (!canvas.hasPointerCapture(event.pointerId)) return;
  const dots = devicePixelRatio;
  if (event.shiftKey || event.buttons & 6) pan(event.movementX * dots, event.movementY * dots);
  else setWindow(view.centre + event.movementY / 600, view.width + event.movementX / 400);
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("dblclick", reset);
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio);
}, { passive: false });

// --- keys

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  const arrow = arrows[event.key];
  if (!arrow) return;
  event.preventDefault();
  const [x, y] = arrow;
  if (event.shiftKey) pan(-40 * x, -40 * y);
  else setWindow(view.centre + 0.02 * y, view.width + 0.05 * x);
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches?.("input:not([type=radio]):not([type=range]), select") || event.ctrlKey || event.metaKey) return;
  if (event.key === "+") zoom(1.25);
  else if (event.key === "-") zoom(1 / 1.25);
  else if (event.key === "0") reset();
  else if (event.key === "m") toggleMap();
  else if (event.key === "i") invert();
});

document.getElementById("fit").addEventListener("click", reset);
document.getElementById("zoom-in").addEventListener("click", () => zoom(1.25));
document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / 1.25));
invertButton.addEventListener("click", invert);
slider?.addEventListener("input", () => repaint());

new ResizeObserver(() => {
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
  repaint();
}).observe(canvas);

loadMap();
load().catch((error) => { note.textContent = error.message; viewer.dataset.ready = "failed"; });
