"use strict";
// The viewer of the report: surfaces of the maps packed into #surface-data, in one picture or in
// two that turn together.
(async () => {
  const viewer = document.getElementById("surface-viewer");
  const data = JSON.parse(document.getElementById("surface-data").textContent);
  const scenes = [...viewer.querySelectorAll(".scene")];
  const draws = await readLayers(data);
  const level = { mask: 0.5 };
  const views = { ...VIEWS, first: data.camera };
  let camera = views.first;
  let opacity = 1;

  const isShown = (side, layer) =>
    viewer.querySelector(`[data-layer="${layer}"][data-side="${side}"]`).checked;

  function traces(side) {
    return data.layers.flatMap((layer, number) => isShown(side, number)
      ? draws(layer, level[layer.scale], lightFor(camera)).map((trace) =>
        layer.scale === "density" ? { ...trace, opacity } : trace)
      : []);
  }

  const draw = () => Promise.all(scenes.map((scene, side) => scene.hidden ? null
    : Plotly.react(scene, traces(side), sceneLayout(data.frame, camera), SCENE_CONFIG)));

  let waiting = 0;
  function drawSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  }

  function tell(slider, text) {
    viewer.querySelector(`output[for="${slider.id}"]`).textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }

  for (const slider of viewer.querySelectorAll("[data-scale]")) {
    const range = data.ranges[slider.dataset.scale];
    const inUnits = (value) => (value - range.zero) / range.unit;
    // Equal steps of the slider are equal ratios of levels.
    [slider.min, slider.max] = [range.first, range.last].map((value) => Math.log(inUnits(value)));
    slider.step = (slider.max - slider.min) / 400;
    slider.value = Math.log(inUnits(range.start));
    const choose = () => {
      const units = Math.exp(slider.value);
      const value = range.zero + range.unit * units;
      level[slider.dataset.scale] = value;
      const own = `${units.toFixed(range.name === "σ" ? 2 : 0)} ${range.name}`;
      tell(slider, range.name === "σ" ? `${value.toPrecision(3)} (${own})` : own);
    };
    choose();
    slider.addEventListener("input", () => { choose(); drawSoon(); });
  }
  const clear = viewer.querySelector("[data-opacity]");
  clear.addEventListener("input", () => {
    opacity = Number(clear.value) / 100;
    tell(clear, `${clear.value} %`);
    drawSoon();
  });
  for (const box of viewer.querySelectorAll("[data-layer]")) box.addEventListener("change", drawSoon);
  for (const button of viewer.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => { camera = views[button.dataset.view]; drawSoon(); });
  }
  viewer.querySelector("[data-two]").addEventListener("change", async (event) => {
    scenes[1].hidden = !event.target.checked;
    viewer.classList.toggle("two", event.target.checked);
    await draw();
    for (const scene of scenes) if (!scene.hidden) Plotly.Plots.resize(scene);
    follow();
  });

  // All pictures turn with the one that is turned.
  function follow() {
    for (const scene of scenes) {
      if (scene.hidden || scene.dataset.followed) continue;
      scene.dataset.followed = "yes";
      scene.on("plotly_relayout", (change) => {
        if (change["scene.camera"]) { camera = change["scene.camera"]; draw(); }
      });
    }
  }
  for (const scene of scenes) {
    scene.addEventListener("keydown", (event) => {
      const turned = turnedBy(event.key, camera);
      if (turned) { event.preventDefault(); camera = turned; drawSoon(); }
    });
    // The page scrolls past the picture until somebody has clicked into it.
    let isEntered = false;
    scene.addEventListener("pointerdown", () => { isEntered = true; });
    scene.addEventListener("pointerleave", () => { isEntered = false; });
    scene.addEventListener("wheel", (event) => { if (!isEntered) event.stopPropagation(); }, true);
  }

  // What a graphics card drew is gone by the time a browser prints: a copy of it is printed.
  function copyForPrint(scene) {
    const plot = scene._fullLayout?.scene?._scene?.glplot;
    if (scene.hidden || !plot) return;
    const printed = scene.querySelector(".printed") ?? document.createElement("canvas");
    printed.className = "printed";
    [printed.width, printed.height] = [plot.canvas.width, plot.canvas.height];
    plot.redraw();
    printed.getContext("2d").drawImage(plot.canvas, 0, 0);
    scene.append(printed);
  }
  addEventListener("beforeprint", () => scenes.forEach(copyForPrint));

  // After everything else is there: a machine without a graphics card takes a while.
  if (document.readyState !== "complete") await new Promise((done) => addEventListener("load", done));
  await draw();
  viewer.classList.add("drawn");
  follow();
})();
