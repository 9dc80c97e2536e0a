// The activation maps over both pictures, by one slider; a picture that cannot be drawn says so.

const slider = document.getElementById("opacity");
const maps = [...document.querySelectorAll(".layers .activation")];

function apply() {
  for (const map of maps) map.style.opacity = slider ? slider.value / 100 : 0;
}

slider?.addEventListener("input", apply);
document.addEventListener("keydown", (event) => {
  if (event.key !== "m" || !slider || event.ctrlKey || event.metaKey) return;
  slider.value = Number(slider.value) ? 0 : 60;
  apply();
});

for (const picture of document.querySelectorAll(".layers .ground")) {
  const fail = () => {
    const note = document.createElement("p");
    note.className = "gone";
    note.textContent = "This image cannot be shown: it holds no single grey picture.";
    picture.closest(".layers").replaceWith(note);
  };
  picture.addEventListener("error", fail);
  if (picture.complete && !picture.naturalWidth) fail();
}
apply();
