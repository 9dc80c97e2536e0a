// Mouse and touch on the picture. Left: window, or a ruler; right: zoom; middle or Shift: pan; wheel: zoom;
// two fingers: zoom and pan.

const RIGHT = 2;
const MIDDLE = 4;

export function followPointer(canvas, { view, rulers, hover, repaint }) {
  const fingers = new Map();
  const dots = () => canvas.width / canvas.clientWidth;
  const at = (event) => ({ x: event.offsetX * dots(), y: event.offsetY * dots() });
  let pressed = null;

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed = at(event);
    fingers.set(event.pointerId, pressed);
    if (fingers.size > 1) rulers.isOpen && rulers.clear();
    else if (rulers.isOn && event.button === 0 && !event.shiftKey) rulers.begin(view.toImage(pressed));
  });

  canvas.addEventListener("pointermove", (event) => {
    hover(view.toImage(at(event)));
    if (!fingers.has(event.pointerId)) return;
    if (fingers.size > 1) pinch(event);
    else drag(event);
    fingers.set(event.pointerId, at(event));
  });

  function drag(event) {
    const before = fingers.get(event.pointerId);
    const here = at(event);
    const moved = { x: here.x - before.x, y: here.y - before.y };
    if (event.shiftKey || event.buttons & MIDDLE) view.pan(moved.x, moved.y);
    else if (event.buttons & RIGHT) view.zoomBy(Math.exp(-moved.y / dots() / 150), pressed);
    else if (rulers.isOpen) rulers.follow(view.toImage(here));
    else if (!rulers.isOn) return windowBy(moved);
    repaint();
  }

  function windowBy(moved) {
    view.setWindow(view.centre + moved.y / dots() / 600, view.width + moved.x / dots() / 400);
    repaint(true);
  }

  function pinch(event) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    const before = fingers.get(event.pointerId);
    const here = at(event);
    const distance = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    view.zoomBy(distance(here) / distance(before), { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
    view.pan((here.x - before.x) / 2, (here.y - before.y) / 2);
    repaint();
  }

  function release(event) {
    fingers.delete(event.pointerId);
    if (rulers.isOpen) rulers.end();
    repaint();
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", (event) => fingers.has(event.pointerId) || hover(null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, at(event));
    repaint();
  }, { passive: false });
}
