"use strict";
// The page of mask place: an ellipsoid on three planes and a surface. Vectors are x, y, z in Å.
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (name) => document.getElementById(name);
  const fetched = (name) => fetch(name).then((answer) => answer.arrayBuffer());
  const density = new Uint8Array(await fetched("density"));
  const variance = find("variance") ? new Uint8Array(await fetched("variance")) : null;
  const surfaces = await (await fetch("surfaces")).json();

  const EDGE_PIXELS = 9;
  const MASK_COLOUR = "#F0B429";
  // For each plane the axes that run right, up and out of it.
  const AXES = { xy: [0, 1, 2], xz: [0, 2, 1], zy: [2, 1, 0] };
  const STRIDES = [1, data.box, data.box * data.box];
  const planes = document.querySelectorAll("[data-plane]");
  const centre = data.start.slice(0, 3);
  const radius = Array(3).fill(data.start[3]);
  const extent = data.box * data.voxel;
  const isSphere = () => document.querySelector("[value=sphere]").checked;
  const round = (value) => Math.round(10 * value) / 10;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // ---------------------------------------------------------------- planes

  function paintPlane(canvas) {
    const [right, up, out] = AXES[canvas.dataset.plane];
    const voxel = Math.round((centre[out] - data.low[out]) / data.voxel);
    const plane = clamp(voxel, 0, data.box - 1) * STRIDES[out];
    const strength = variance ? find("variance").value / 100 : 0;
    const picture = new ImageData(data.box, data.box);
    for (let row = 0, pixel = 0; row < data.box; row++) {
      for (let column = 0; column < data.box; column++, pixel += 4) {
        const at = plane + column * STRIDES[right] + (data.box - 1 - row) * STRIDES[up];
        const share = variance ? Math.min(1, strength * variance[at] / 128) : 0;
        picture.data[pixel] = density[at] + share * (255 - density[at]);
        picture.data[pixel + 1] = density[at] * (1 - share) + share * 90;
        picture.data[pixel + 2] = density[at] * (1 - share);
        picture.data[pixel + 3] = 255;
      }
    }
    const small = new OffscreenCanvas(data.box, data.box);
    small.getContext("2d").putImageData(picture, 0, 0);
    const pen = canvas.getContext("2d");
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    paintOutline(pen, canvas, right, up);
    pen.fillStyle = "white";
    pen.font = `${13 * devicePixelRatio}px sans-serif`;
    const height = centre[out].toFixed(1);
    pen.fillText(`${canvas.dataset.plane}   ${"xyz"[out]} = ${height} Å`, 8 * devicePixelRatio,
      canvas.height - 9 * devicePixelRatio);
  }

  // Voxels are squares around their positions, hence the half.
  const toPixel = (value, axis, size) =>
    ((value - data.low[axis]) / data.voxel + 0.5) * size / data.box;

  function paintOutline(pen, canvas, right, up) {
    const x = toPixel(centre[right], right, canvas.width);
    const y = canvas.height - toPixel(centre[up], up, canvas.height);
    const scale = canvas.width / extent;
    pen.strokeStyle = MASK_COLOUR;
    pen.lineWidth = 2 * devicePixelRatio;
    pen.beginPath();
    pen.ellipse(x, y, radius[right] * scale, radius[up] * scale, 0, 0, 2 * Math.PI);
    pen.moveTo(x - 5, y); pen.lineTo(x + 5, y); pen.moveTo(x, y - 5); pen.lineTo(x, y + 5);
    pen.stroke();
  }

  function listen(canvas) {
    const [right, up, out] = AXES[canvas.dataset.plane];
    let drag = null;
    // Å from the centre to the pointer, to the right and up.
    const offset = (event) => {
      const frame = canvas.getBoundingClientRect();
      const across = (event.clientX - frame.left) / frame.width;
      const above = (frame.bottom - event.clientY) / frame.height;
      const position = (share, axis) => data.low[axis] + (share * data.box - 0.5) * data.voxel;
      return [position(across, right) - centre[right], position(above, up) - centre[up]];
    };
    canvas.addEventListener("pointerdown", (event) => {
      const [h, v] = offset(event);
      const size = Math.hypot(h / radius[right], v / radius[up]);
      const pixels = Math.abs(size - 1) * Math.hypot(h, v) / size / extent * canvas.clientWidth;
      const held = size < 1 ? [h, v] : [0, 0];
      drag = pixels < EDGE_PIXELS ? { resize: true } : { held };
      canvas.setPointerCapture(event.pointerId);
      follow(event);
    });
    function follow(event) {
      if (!drag) return;
      const [h, v] = offset(event);
      if (!drag.resize) {
        move(right, centre[right] + h - drag.held[0]);
        move(up, centre[up] + v - drag.held[1]);
      } else if (isSphere()) {
        radius.fill(Math.max(Math.hypot(h, v), data.mapVoxel));
      } else {
        const [axis, reach] = Math.abs(h / radius[right]) > Math.abs(v / radius[up])
          ? [right, h] : [up, v];
        radius[axis] = Math.max(Math.abs(reach), data.mapVoxel);
      }
      show();
    }
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("pointerup", () => { drag = null; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      move(out, centre[out] - Math.sign(event.deltaY) * data.voxel);
      show();
    }, { passive: false });
  }

  const move = (axis, value) => {
    centre[axis] = clamp(value, data.bounds[0][axis], data.bounds[1][axis]);
  };

  // ---------------------------------------------------------------- surface

  const draws = await readLayers(surfaces);
  const level = find("level");
  [level.min, level.max, level.value] = data.sigmas;
  const sigma = surfaces.ranges.density;

  // A sphere of unit radius in rings from pole to pole.
  const RINGS = 16, POINTS = 28;
  const unit = [];
  for (let ring = 0; ring <= RINGS; ring++) {
    for (let point = 0; point < POINTS; point++) {
      const [a, b] = [Math.PI * ring / RINGS, 2 * Math.PI * point / POINTS];
      unit.push([Math.sin(a) * Math.cos(b), Math.sin(a) * Math.sin(b), Math.cos(a)]);
    }
  }
  const corners = { i: [], j: [], k: [] };
  for (let ring = 0; ring < RINGS; ring++) {
    for (let point = 0; point < POINTS; point++) {
      const a = ring * POINTS + point, b = ring * POINTS + (point + 1) % POINTS;
      corners.i.push(a, b); corners.j.push(a + POINTS, a + POINTS); corners.k.push(b, b + POINTS);
    }
  }
  const along = (axis) => unit.map((vector) => centre[axis] + radius[axis] * vector[axis]);

  let camera = VIEWS.tilted;
  const drawSurface = () => Plotly.react(find("scene"), [
    ...draws(surfaces.layers[0], sigma.zero + sigma.unit * level.value, lightFor(camera)),
    { ...meshTrace({ x: along(0), y: along(1), z: along(2), ...corners }, lightFor(camera)),
      name: "Mask", color: MASK_COLOUR, opacity: 0.4 },
  ], sceneLayout(surfaces.frame, camera), SCENE_CONFIG);

  let waiting = 0;
  function drawSurfaceSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(drawSurface, 120);
  }

  // ---------------------------------------------------------------- numbers and commands

  function tell(text, isPoor = false) {
    find("told").textContent = text;
    find("told").classList.toggle("poor", isPoor);
  }

  const isOutside = () => [0, 1, 2].some((axis) =>
    centre[axis] - radius[axis] < data.bounds[0][axis] - data.mapVoxel / 2 ||
    centre[axis] + radius[axis] > data.bounds[1][axis] + data.mapVoxel / 2);

  function command() {
    const { particles, map, frame, mask, edge, classes } = data.words;
    const numbers = centre.map(round).join(",");
    if (isSphere()) {
      return `cryofocus classify ${particles} --focus=${numbers},${round(radius[0])}`
        + `${edge}${frame} --classes ${classes} -o run`;
    }
    return `cryofocus mask ellipsoid ${numbers},${radius.map(round).join(",")} --like ${map}`
      + `${edge} -o ${mask}\ncryofocus classify ${particles} --mask ${mask} `
      + `--classes ${classes} -o run`;
  }

  // A command breaks between its words alone: an option keeps its hyphens.
  function setCommand(name, text) {
    find(name).replaceChildren(...text.split(/([ \n])/).map((part, i) => {
      if (i % 2) return part;
      const word = document.createElement("span");
      word.textContent = part;
      return word;
    }));
  }

  function show() {
    for (const canvas of planes) paintPlane(canvas);
    for (const box of document.querySelectorAll("[data-centre], [data-radius]")) {
      const own = box.dataset.centre ? centre[box.dataset.centre] : radius[box.dataset.radius];
      if (document.activeElement !== box) box.value = round(own);
      box.disabled = isSphere() && box.dataset.radius > 0;
    }
    const [size, place] = [radius, centre].map((numbers) => numbers.map(round).join(","));
    setCommand("command", command());
    setCommand("chimerax", `shape ellipsoid radius ${size} center ${place}`);
    find("level-name").textContent = `${Number(level.value).toFixed(1)} σ`;
    if (variance) find("variance-name").textContent = `${find("variance").value} %`;
    if (find("write")) find("write").disabled = isOutside();
    const warning = "The region reaches out of the map. Move it or make it smaller.";
    tell(isOutside() ? warning : "", isOutside());
    drawSurfaceSoon();
  }

  for (const box of document.querySelectorAll("[data-centre]")) {
    box.addEventListener("input", () => { move(Number(box.dataset.centre), Number(box.value)); show(); });
  }
  for (const box of document.querySelectorAll("[data-radius]")) {
    box.addEventListener("input", () => {
      const value = Math.max(Number(box.value), 0.1);
      if (isSphere()) radius.fill(value); else radius[box.dataset.radius] = value;
      show();
    });
  }
  for (const choice of document.querySelectorAll("[name=shape]")) {
    choice.addEventListener("change", () => { if (isSphere()) radius.fill(radius[0]); show(); });
  }
  level.addEventListener("input", show);
  if (variance) find("variance").addEventListener("input", show);
  find("copy").addEventListener("click", () =>
    navigator.clipboard.writeText(find("command").textContent).then(
      () => tell("Copied."), () => getSelection().selectAllChildren(find("command"))));
  find("write")?.addEventListener("click", async () => {
    const body = JSON.stringify([...centre, ...radius].map(round));
    try {
      const answer = await fetch("mask", { method: "POST", body });
      tell(await answer.text(), !answer.ok);
    } catch {
      tell("cryofocus mask place is not running any more. Start it again.", true);
    }
  });

  function fit() {
    for (const canvas of planes) {
      canvas.width = canvas.height = Math.round(canvas.clientWidth * devicePixelRatio);
    }
    show();
  }
  for (const canvas of planes) listen(canvas);
  addEventListener("resize", fit);
  fit();
  await drawSurface();
  find("scene").on("plotly_relayout", (change) => {
    if (change["scene.camera"]) {
      camera = change["scene.camera"];
      drawSurface();
    }
  });
  document.body.dataset.ready = "yes";
})();
