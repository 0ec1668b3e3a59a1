"use strict";
for (const image of document.querySelectorAll(".ecg img")) {
  const box = document.createElement("div");
  box.className = "zoom";
  image.replaceWith(box);
  box.append(image);
  box.tabIndex = 0;
  box.title = "Tap, click or press Enter to zoom in or out";
  const zoom = (event) => {
    const { x, y, width, height } = image.getBoundingClientRect();
    const part = event.clientX === undefined ? [0, 0] : [(event.clientX - x) / width, (event.clientY - y) / height];
    box.classList.toggle("large");
    box.scrollLeft = part[0] * box.scrollWidth - box.clientWidth / 2;
  };
  box.addEventListener("click", zoom);
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") zoom(event); });
}
