"use strict";
// The viewer of the report: draws the surfaces that are packed into #surface-data with plotly.
(() => {
  const scene = document.getElementById("surface-scene");
  const viewer = document.getElementById("surface-viewer");
  const data = JSON.parse(document.getElementById("surface-data").textContent);
  const unpack = surfaceReader(data.frame);
  const level = { mask: 0 };
  let camera = VIEWS.tilted;
  let opacity = 1;

  const isShown = (layer) => viewer.querySelector(`[data-layer="${layer}"]`).checked;

  function traces() {
    return data.layers.flatMap((layer, number) =>
      !isShown(number) ? [] : layer.parts.map((part) => ({
        ...meshTrace(unpack(part.meshes[level[layer.scale]]), lightFor(camera)),
        name: layer.name,
        color: part.colour,
        opacity: layer.scale === "density" ? opacity : layer.opacity,
      })));
  }

  const draw = () =>
    Plotly.react(scene, traces(), sceneLayout(data.frame, camera), SCENE_CONFIG);

  for (const slider of viewer.querySelectorAll("[data-scale]")) {
    const labels = slider.dataset.labels.split("|");
    const choose = () => {
      level[slider.dataset.scale] = Number(slider.value);
      slider.parentElement.querySelector("output").textContent = labels[slider.value];
    };
    choose();
    slider.addEventListener("input", () => { choose(); draw(); });
  }
  viewer.querySelector("[data-opacity]").addEventListener("input", (event) => {
    opacity = Number(event.target.value) / 100;
    event.target.parentElement.querySelector("output").textContent = `${event.target.value} %`;
    draw();
  });
  for (const box of viewer.querySelectorAll("[data-layer]")) box.addEventListener("change", draw);
  for (const button of viewer.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => { camera = VIEWS[button.dataset.view]; draw(); });
  }

  // The page scrolls past the picture until somebody has clicked into it.
  let isEntered = false;
  scene.addEventListener("pointerdown", () => { isEntered = true; });
  scene.addEventListener("pointerleave", () => { isEntered = false; });
  scene.addEventListener("wheel", (event) => { if (!isEntered) event.stopPropagation(); }, true);

  // After everything else is there: a machine without a graphics card takes a while.
  addEventListener("load", () => draw().then(() => scene.on("plotly_relayout", (change) => {
    if (change["scene.camera"]) {
      camera = change["scene.camera"];
      draw();
    }
  })));
})();
