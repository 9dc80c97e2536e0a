// Paints an image by its window, the activation map above it, and both for print.

const WHITE = 65535;
const PRINTED_SIDE = 1000;

export class Painter {
  constructor(values) {
    this.values = values;
    this.map = null;
    this.pixels = document.createElement("canvas");
    this.pixels.width = values.columns;
    this.pixels.height = values.rows;
    this.context = this.pixels.getContext("2d");
    this.image = this.context.createImageData(values.columns, values.rows);
  }

  /** Compute the pixels for another window. */
  applyWindow(view) {
    const out = new Uint32Array(this.image.data.buffer);
    const shades = this.shades(view);
    const { cells } = this.values;
    for (let i = 0; i < cells.length; i++) out[i] = shades[cells[i]];
    if (this.values.visibleBits) this.hide(out);
    this.context.putImageData(this.image, 0, 0);
  }

  shades(view) {
    const low = view.centre - view.width / 2;
    return Uint32Array.from(this.values.grey, (grey) => {
      const level = Math.max(0, Math.min(1, (grey / WHITE - low) / view.width));
      return 0xff000000 | (Math.floor(255 * (view.inverted ? 1 - level : level) + 0.5) * 0x010101);
    });
  }

  hide(out) {
    for (let i = 0; i < out.length; i++) if (!this.values.isVisible(i)) out[i] = 0xff000000;
  }

  paint(context, place, scale, opacity) {
    context.fillStyle = "#000";
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    context.imageSmoothingEnabled = scale < 2;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.pixels, place.left, place.top, place.width, place.height);
    if (!this.map || !opacity) return;
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.map, place.left, place.top, place.width, place.height);
    context.globalAlpha = 1;
  }

  /** Paint the whole image into a canvas of the printed page. */
  paintWhole(canvas, opacity) {
    const scale = PRINTED_SIDE / Math.max(this.values.squareRows, this.values.squareColumns);
    canvas.width = Math.round(this.values.squareColumns * scale);
    canvas.height = Math.round(this.values.squareRows * scale);
    const whole = { left: 0, top: 0, width: canvas.width, height: canvas.height };
    this.paint(canvas.getContext("2d", { alpha: false }), whole, scale, opacity);
  }
}
