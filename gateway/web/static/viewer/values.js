// The values of an image, as /pixels sends them: gateway/web/viewer/values.py describes the file.

const MARK = "CXR2";
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, float64: Float64Array };

const aligned = (length) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

export class Values {
  constructor(head, parts) {
    Object.assign(this, { rows: head.rows, columns: head.columns, name: head.value.name, unit: head.value.unit });
    [this.squareRows, this.squareColumns] = head.square;
    this.spacing = head.spacing;
    this.cells = parts.cells;
    this.grey = parts.grey;
    this.modality = parts.modality;
    this.visibleBits = parts.visible;
  }

  holds(row, column) {
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns;
  }

  isVisible(index) {
    return !this.visibleBits || (this.visibleBits[index >> 3] >> (7 - (index & 7))) & 1;
  }

  /** Return the value at a pixel, counted from 0 in the image's own matrix; null behind the display shutter. */
  at(row, column) {
    const index = row * this.columns + column;
    return this.isVisible(index) ? this.modality[this.cells[index]] : null;
  }

  /** Return the place and the value in words. */
  describe(row, column) {
    const value = this.at(row, column);
    const told = value === null ? "behind the display shutter" : `${this.name} ${Number(value.toPrecision(7))}${this.unit && ` ${this.unit}`}`;
    return `column ${column}, row ${row}: ${told}`;
  }
}

export async function fetchValues(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error("This image cannot be shown: it holds no single grey picture, or its file has been deleted.");
  return read(await answer.arrayBuffer());
}

function read(content) {
  const mark = new TextDecoder().decode(new Uint8Array(content, 0, MARK.length));
  if (mark !== MARK) throw new Error("This image cannot be shown: load the page again, it is of another version.");
  const length = new DataView(content).getUint32(MARK.length, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(content, PREFIX_BYTES, length)));
  const start = aligned(PREFIX_BYTES + length);
  const parts = {};
  for (const [name, part] of Object.entries(head.parts)) {
    parts[name] = new TYPES[part.type](content, start + part.offset, part.length);
  }
  return new Values(head, parts);
}
