// The activation map: its opacity, and its scale, which is the image's own or the same for all images.

import { remember, remembered } from "../remember.js";

export class ActivationMap {
  constructor(viewer, changed) {
    this.viewer = viewer;
    this.address = viewer.dataset.activation;
    this.limits = { own: viewer.dataset.limit, fixed: viewer.dataset.fixedLimit };
    this.slider = document.getElementById("opacity");
    this.button = document.getElementById("fixed-scale");
    this.before = 60;
    this.changed = changed;
    this.image = null;
    if (!this.address) return;
    this.slider.addEventListener("input", changed);
    this.button.addEventListener("click", () => this.toggleScale());
    this.choose(remembered("activation-scale") === "fixed" ? "fixed" : "own");
  }

  get opacity() {
    return this.slider ? this.slider.value / 100 : 0;
  }

  toggle() {
    if (!this.slider) return;
    if (this.opacity) this.before = this.slider.value;
    this.slider.value = this.opacity ? 0 : this.before;
    this.changed();
  }

  toggleScale() {
    if (!this.address) return;
    const scale = this.scale === "fixed" ? "own" : "fixed";
    remember("activation-scale", scale);
    this.choose(scale);
  }

  choose(scale) {
    this.scale = scale;
    this.button.setAttribute("aria-pressed", String(scale === "fixed"));
    document.getElementById("scale-low").textContent = `−${this.limits[scale]}`;
    document.getElementById("scale-high").textContent = `+${this.limits[scale]}`;
    const image = new Image();
    image.addEventListener("load", () => {
      if (this.scale !== scale) return;
      this.image = image;
      this.viewer.dataset.mapScale = scale;
      this.changed();
    });
    image.src = `${this.address}&scale=${scale}`;
  }
}
