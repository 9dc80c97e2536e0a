// The radiograph of a report with all its values: connects the parts in viewer/ with buttons and keys.

import { ActivationMap } from "./viewer/activation.js";
import { Painter } from "./viewer/painter.js";
import { followPointer } from "./viewer/pointer.js";
import { Rulers } from "./viewer/rulers.js";
import { fetchValues } from "./viewer/values.js";
import { View } from "./viewer/view.js";

const element = (id) => document.getElementById(id);
const viewer = element("viewer");
const canvas = element("radiograph");
const context = canvas.getContext("2d", { alpha: false });

function open(values) {
  const view = new View(canvas, values);
  const painter = new Painter(values);
  const rulers = new Rulers(values);
  const due = { grey: false, frame: false };
  const map = new ActivationMap(viewer, () => repaint());

  function frame() {
    if (due.grey) painter.applyWindow(view);
    due.grey = due.frame = false;
    painter.map = map.image;
    painter.paint(context, view.place, view.scale, map.opacity);
    rulers.draw(context, view, devicePixelRatio);
    element("window-level").value = `W ${Math.round(100 * view.width)} % L ${Math.round(100 * view.centre)} % · ${view.zoom.toFixed(1)}×`;
    element("lengths").value = rulers.lengths;
    element("basis").hidden = !rulers.isOn && !rulers.measured.length;
    press("one-to-one", view.isOneToOne);
    press("invert", view.inverted);
    press("measure", rulers.isOn);
  }

  function repaint(grey = false) {
    due.grey ||= grey;
    if (!due.frame) requestAnimationFrame(frame);
    due.frame = true;
  }

  function hover(place) {
    const [row, column] = place ? [Math.floor(place.row), Math.floor(place.column)] : [-1, -1];
    element("probe").value = values.holds(row, column) ? values.describe(row, column) : "";
  }

  const actions = {
    "+": () => view.zoomBy(1.25),
    "-": () => view.zoomBy(1 / 1.25),
    0: () => view.reset(),
    1: () => view.toggleOneToOne(),
    i: () => (view.inverted = !view.inverted),
    m: () => map.toggle(),
    s: () => map.toggleScale(),
    r: () => measure(),
    Escape: () => rulers.clear(),
  };

  function measure() {
    rulers.isOn = !rulers.isOn;
    if (rulers.isOn) canvas.focus({ preventScroll: true });
  }

  function act(key) {
    actions[key]();
    repaint(key === "0" || key === "i");
  }

  const buttons = { fit: "0", "one-to-one": "1", "zoom-in": "+", "zoom-out": "-", invert: "i", measure: "r" };
  for (const [id, key] of Object.entries(buttons)) element(id).addEventListener("click", () => act(key));
  canvas.addEventListener("dblclick", () => act("0"));
  canvas.addEventListener("focus", () => repaint());
  canvas.addEventListener("blur", () => repaint());
  canvas.addEventListener("keydown", (event) => steer(event, { view, rulers, hover, repaint }));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("input:not([type=radio]):not([type=range]), select, textarea") || event.ctrlKey || event.metaKey) return;
    if (event.key in actions && !document.querySelector("dialog[open]")) act(event.key);
  });
  followPointer(canvas, { view, rulers, hover, repaint });

  addEventListener("beforeprint", () => {
    painter.map = map.image;
    painter.paintWhole(element("print-plain"), 0);
    if (element("print-map")) painter.paintWhole(element("print-map"), 0.6);
  });

  new ResizeObserver(() => {
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
    repaint();
  }).observe(canvas);

  element("basis").textContent = rulers.basis;
  repaint(true);
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Arrows change the window or pan; while measuring they move a cross, and Enter sets the ends of a ruler. */
function steer(event, { view, rulers, hover, repaint }) {
  const arrow = arrows[event.key];
  if (!arrow && !(rulers.isOn && event.key === "Enter")) return;
  event.preventDefault();
  const [x, y] = arrow ?? [0, 0];
  if (!arrow) rulers.mark();
  else if (rulers.isOn) rulers.moveCursor(...[x, y].map((step) => step * (event.shiftKey ? 10 : 1)));
  else if (event.shiftKey) view.pan(-40 * x, -40 * y);
  else view.setWindow(view.centre + 0.02 * y, view.width + 0.05 * x);
  if (rulers.isOn) hover(rulers.cursor);
  repaint(!rulers.isOn && !event.shiftKey);
}

function press(id, isPressed) {
  element(id).setAttribute("aria-pressed", String(isPressed));
}

function fail(error) {
  element("viewer-note").textContent = error.message;
  element("no-picture").hidden = false;
  element("no-picture").src = viewer.dataset.thumbnail;
  viewer.dataset.ready = "failed";
}

if (viewer.dataset.pixels) {
  fetchValues(viewer.dataset.pixels).then((values) => {
    open(values);
    element("viewer-note").textContent = "";
    viewer.dataset.ready = "true";
  }).catch(fail);
}
