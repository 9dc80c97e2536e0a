// The view of an image: window and level, zoom and place. Lengths are pixels of the canvas, which are the device's.

const LEAST_ZOOM = 0.5;
const MOST_ZOOM = 16;
const START = { centre: 0.5, width: 1, inverted: false, zoom: 1, x: 0, y: 0 };

export class View {
  constructor(canvas, values) {
    this.canvas = canvas;
    this.values = values;
    this.reset();
  }

  reset() {
    Object.assign(this, START);
  }

  /** Canvas pixels per square pixel of the image where the whole image is seen. */
  get fit() {
    return Math.min(this.canvas.width / this.values.squareColumns, this.canvas.height / this.values.squareRows);
  }

  get scale() {
    return this.fit * this.zoom;
  }

  get isOneToOne() {
    return Math.abs(this.scale - 1) < 1e-6;
  }

  /** Where the image lies on the canvas; whole pixels at 1:1, so that nothing is interpolated. */
  get place() {
    const width = this.values.squareColumns * this.scale;
    const height = this.values.squareRows * this.scale;
    const left = (this.canvas.width - width) / 2 + this.x;
    const top = (this.canvas.height - height) / 2 + this.y;
    return this.isOneToOne ? { left: Math.round(left), top: Math.round(top), width, height } : { left, top, width, height };
  }

  /** Return where a point of the canvas lies in the image's own matrix; the first pixel spans 0 to 1. */
  toImage({ x, y }) {
    const { left, top, width, height } = this.place;
    return { column: ((x - left) / width) * this.values.columns, row: ((y - top) / height) * this.values.rows };
  }

  toCanvas({ column, row }) {
    const { left, top, width, height } = this.place;
    return { x: left + (column / this.values.columns) * width, y: top + (row / this.values.rows) * height };
  }

  setWindow(centre, width) {
    this.centre = Math.max(0, Math.min(1, centre));
    this.width = Math.max(0.01, Math.min(2, width));
  }

  /** Zoom about a point of the canvas, which stays where it is. */
  zoomBy(factor, about = { x: this.canvas.width / 2, y: this.canvas.height / 2 }) {
    const least = Math.min(LEAST_ZOOM, 1 / this.fit);
    const most = Math.max(MOST_ZOOM, 8 / this.fit);
    const next = Math.max(least, Math.min(most, this.zoom * factor));
    const ratio = next / this.zoom;
    this.x = (about.x - this.canvas.width / 2) * (1 - ratio) + this.x * ratio;
    this.y = (about.y - this.canvas.height / 2) * (1 - ratio) + this.y * ratio;
    this.zoom = next;
  }

  /** One pixel of the image for one of the screen; once more: the whole image. */
  toggleOneToOne() {
    if (this.isOneToOne) Object.assign(this, { zoom: START.zoom, x: 0, y: 0 });
    else this.zoomBy(1 / this.scale);
  }

  pan(x, y) {
    this.x += x;
    this.y += y;
  }
}
