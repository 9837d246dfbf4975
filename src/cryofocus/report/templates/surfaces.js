"use strict";
// The viewer of the report: draws the surfaces that are packed into #surface-data with plotly.
(() => {
  const scene = document.getElementById("surface-scene");
  const viewer = document.getElementById("surface-viewer");
  const data = JSON.parse(document.getElementById("surface-data").textContent);
  const VIEWS = {
    tilted: { eye: { x: 0.45, y: -1.05, z: 0.35 }, up: { x: 0, y: 0, z: 1 } },
    xy: { eye: { x: 0, y: 0, z: 1.2 }, up: { x: 0, y: 1, z: 0 } },
    xz: { eye: { x: 0, y: -1.2, z: 0 }, up: { x: 0, y: 0, z: 1 } },
    zy: { eye: { x: -1.2, y: 0, z: 0 }, up: { x: 0, y: 1, z: 0 } },
  };
  const level = { mask: 0 };
  let light = lightFor(VIEWS.tilted);
  let opacity = 1;

  // The light stands behind the viewer, a little above.
  function lightFor({ eye, up }) {
    const [x, y, z] = ["x", "y", "z"].map((c) => 1e5 * (eye[c] + 0.5 * up[c]));
    return { x, y, z };
  }

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

  // Columns of packed triples, scaled and moved.
  function columns(numbers, step, low) {
    const result = [0, 1, 2].map(() => new Float32Array(numbers.length / 3));
    for (let i = 0; i < numbers.length; i++) {
      result[i % 3][(i / 3) | 0] = low[i % 3] + step * numbers[i];
    }
    return result;
  }

  function unpack(mesh) {
    if (!mesh.columns) {
      const steps = new Uint16Array(bytes(mesh.v));
      const corners = bytes(mesh.t);
      const indices = mesh.wide ? new Uint32Array(corners) : new Uint16Array(corners);
      const [x, y, z] = columns(steps, data.frame.step, data.frame.low);
      const [i, j, k] = columns(indices, 1, [0, 0, 0]);
      mesh.columns = { x, y, z, i, j, k };
    }
    return mesh.columns;
  }

  const isShown = (layer) => viewer.querySelector(`[data-layer="${layer}"]`).checked;

  function traces() {
    return data.layers.flatMap((layer, number) =>
      !isShown(number) ? [] : layer.parts.map((part) => ({
        type: "mesh3d",
        name: layer.name,
        color: part.colour,
        opacity: layer.scale === "density" ? opacity : layer.opacity,
        ...unpack(part.meshes[level[layer.scale]]),
        lighting: { ambient: 0.45, diffuse: 0.75, specular: 0.12, roughness: 0.6, fresnel: 0.1 },
        lightposition: light,
        hovertemplate: "%{x:.1f}, %{y:.1f}, %{z:.1f} Å<extra>%{fullData.name}</extra>",
      })));
  }

  const axis = (low) => ({ visible: false, range: [low, low + data.frame.size] });
  const [x, y, z] = data.frame.low.map(axis);
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    showlegend: false,
    uirevision: "kept",
    scene: {
      xaxis: x, yaxis: y, zaxis: z,
      aspectmode: "cube",
      dragmode: "orbit",
      camera: VIEWS.tilted,
    },
  };
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };
  const draw = () => Plotly.react(scene, traces(), layout, config);

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
    button.addEventListener("click", () => {
      Plotly.relayout(scene, { "scene.camera": VIEWS[button.dataset.view] });
    });
  }

  // The page scrolls past the picture until somebody has clicked into it.
  let isEntered = false;
  scene.addEventListener("pointerdown", () => { isEntered = true; });
  scene.addEventListener("pointerleave", () => { isEntered = false; });
  scene.addEventListener("wheel", (event) => { if (!isEntered) event.stopPropagation(); }, true);

  draw().then(() => scene.on("plotly_relayout", (change) => {
    if (change["scene.camera"]) {
      light = lightFor(change["scene.camera"]);
      draw();
    }
  }));
})();
