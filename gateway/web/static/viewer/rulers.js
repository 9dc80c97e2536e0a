// Rulers: distances between two points, in mm where the image states a spacing, else in pixels.

const COLOUR = "#ffe14d";
const TICK = 7;

export class Rulers {
  constructor(values) {
    this.values = values;
    this.measured = [];
    this.cursor = { column: Math.floor(values.columns / 2), row: Math.floor(values.rows / 2) };
    this.isOn = false;
    this.isOpen = false; // the second end follows the pointer or the keys
  }

  /** The spacing in use, in words. */
  get basis() {
    const { spacing } = this.values;
    if (!spacing) return "Ruler in pixels: the image states no spacing";
    return `Ruler in mm by ${spacing.basis} (${spacing.row} × ${spacing.column} mm)`;
  }

  begin(point) {
    this.measured.push([point, point]);
    this.isOpen = true;
  }

  follow(point) {
    if (this.isOpen) this.measured.at(-1)[1] = point;
  }

  end() {
    this.isOpen = false;
    const [first, second] = this.measured.at(-1);
    if (first.column === second.column && first.row === second.row) this.measured.pop();
  }

  clear() {
    this.measured = [];
    this.isOpen = false;
  }

  moveCursor(columns, rows) {
    const within = (value, count) => Math.max(0, Math.min(count - 1, value));
    this.cursor = { column: within(this.cursor.column + columns, this.values.columns), row: within(this.cursor.row + rows, this.values.rows) };
    this.follow(centred(this.cursor));
  }

  /** Set an end of a ruler where the cursor is. */
  mark() {
    if (this.isOpen) this.end();
    else this.begin(centred(this.cursor));
  }

  /** Return the distance in words. */
  length([first, second]) {
    const { spacing } = this.values;
    const columns = second.column - first.column;
    const rows = second.row - first.row;
    if (!spacing) return `${Math.hypot(columns, rows).toFixed(1)} pixels`;
    return `${Math.hypot(columns * spacing.column, rows * spacing.row).toFixed(1)} mm ${spacing.place}`;
  }

  get lengths() {
    return this.measured.map((ruler) => this.length(ruler)).join("; ");
  }

  draw(context, view, dots) {
    context.font = `600 ${13 * dots}px system-ui, sans-serif`;
    for (const ruler of this.measured) this.drawOne(context, ruler.map((end) => view.toCanvas(end)), this.length(ruler), dots);
    if (this.isOn && context.canvas === document.activeElement) cross(context, view.toCanvas(centred(this.cursor)), dots);
  }

  drawOne(context, [from, to], text, dots) {
    const angle = Math.atan2(to.y - from.y, to.x - from.x) + Math.PI / 2;
    const tick = { x: TICK * dots * Math.cos(angle), y: TICK * dots * Math.sin(angle) };
    const lines = [[from, to], ...[from, to].map((end) => [{ x: end.x - tick.x, y: end.y - tick.y }, { x: end.x + tick.x, y: end.y + tick.y }])];
    stroke(context, lines, dots);
    context.textAlign = to.x > context.canvas.width / 2 ? "right" : "left";
    const place = { x: to.x + (context.textAlign === "left" ? 10 : -10) * dots, y: Math.max(16 * dots, to.y - 10 * dots) };
    context.lineWidth = 3 * dots;
    context.strokeStyle = "#000";
    context.strokeText(text, place.x, place.y);
    context.fillStyle = COLOUR;
    context.fillText(text, place.x, place.y);
  }
}

export const centred = ({ column, row }) => ({ column: Math.floor(column) + 0.5, row: Math.floor(row) + 0.5 });

function cross(context, { x, y }, dots) {
  const arm = 12 * dots;
  stroke(context, [[{ x: x - arm, y }, { x: x + arm, y }], [{ x, y: y - arm }, { x, y: y + arm }]], dots);
}

function stroke(context, lines, dots) {
  for (const [width, colour] of [[4, "#000"], [1.5, COLOUR]]) {
    context.lineWidth = width * dots;
    context.strokeStyle = colour;
    context.beginPath();
    for (const [from, to] of lines) {
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
    context.stroke();
  }
}
