// Open an ECG in full size within the page, by a click, a touch or the Enter key.
"use strict";
for (const image of document.querySelectorAll(".ecg img")) {
  const button = document.createElement("button");
  button.className = "zoom";
  button.setAttribute("aria-label", `${image.alt}: show in full size`);
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const dialog = document.createElement("dialog"), close = document.createElement("button"), copy = image.cloneNode();
    dialog.className = "full-size";
    dialog.setAttribute("aria-label", image.alt);
    close.textContent = "close";
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(close, copy);
    document.body.append(dialog);
    dialog.showModal();
  });
}
