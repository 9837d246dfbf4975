"use strict";
// What the viewer of the report and the page of mask place share: how surfaces are seen and lit.
const VIEWS = {
  tilted: { eye: { x: 0.45, y: -1.05, z: 0.35 }, up: { x: 0, y: 0, z: 1 } },
  xy: { eye: { x: 0, y: 0, z: 1.2 }, up: { x: 0, y: 1, z: 0 } },
  xz: { eye: { x: 0, y: -1.2, z: 0 }, up: { x: 0, y: 0, z: 1 } },
  zy: { eye: { x: -1.2, y: 0, z: 0 }, up: { x: 0, y: 1, z: 0 } },
};
const SCENE_CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };
const MIDDLE_BYTE = 127;

// The light stands behind the viewer, a little above.
function lightFor({ eye, up }) {
  const [x, y, z] = ["x", "y", "z"].map((axis) => 1e5 * (eye[axis] + 0.5 * up[axis]));
  return { x, y, z };
}

// Unpacks the maps of a page and gives a function that draws a layer's surfaces at a level.
async function readLayers({ frame, ranges, volumes, layers }) {
  const scaleOf = {};
  for (const layer of layers) {
    scaleOf[layer.volume] = layer.scale;
    if (layer.paint !== null) scaleOf[layer.paint] = "difference";
  }
  const isSigned = (number) => scaleOf[number] === "difference";
  const maps = await Promise.all(volumes.map((text, number) =>
    unpackVolume(text, frame.edge, isSigned(number) ? MIDDLE_BYTE : 0)));
  const found = new Map();
  function surface(number, level, sign) {
    const key = `${number} ${sign}`;
    if (found.get(key)?.level !== level) {
      const { low, high } = ranges[scaleOf[number]];
      const byte = isSigned(number)
        ? MIDDLE_BYTE * (1 + sign * level / high) : 255 * (level - low) / (high - low);
      found.set(key, { level, ...contourVolume(maps[number], byte, sign, frame) });
    }
    const { x, y, z, i, j, k, cells } = found.get(key);
    return { mesh: { x, y, z, i, j, k }, cells };
  }
  return (layer, level, light) => {
    const signs = layer.scale === "difference" ? [1, -1] : [1];
    return signs.map((sign, part) => {
      const { mesh, cells } = surface(layer.volume, level, sign);
      const look = layer.paint === null ? { color: layer.colours[part] } : {
        intensity: sampleAround(maps[layer.paint], cells, MIDDLE_BYTE),
        colorscale: [[0, layer.colours[1]], [0.5, "#e9edf1"], [1, layer.colours[0]]],
        cmin: -MIDDLE_BYTE, cmax: MIDDLE_BYTE, showscale: false,
      };
      return { ...meshTrace(mesh, light), ...look, name: layer.name, opacity: layer.opacity };
    });
  };
}

const meshTrace = (mesh, light) => ({
  type: "mesh3d",
  ...mesh,
  lighting: { ambient: 0.45, diffuse: 0.75, specular: 0.12, roughness: 0.6, fresnel: 0.1 },
  lightposition: light,
  hovertemplate: "%{x:.1f}, %{y:.1f}, %{z:.1f} Å<extra>%{fullData.name}</extra>",
});

function sceneLayout({ low, voxel, edge }, camera) {
  const [xaxis, yaxis, zaxis] = low.map((start) => (
    { visible: false, range: [start - voxel, start + edge * voxel] }));
  return {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    showlegend: false,
    // Plotly turns the camera it is given.
    scene: {
      xaxis, yaxis, zaxis, aspectmode: "cube", dragmode: "orbit", camera: structuredClone(camera),
    },
  };
}

// The camera after an arrow key, + or -; null after any other key.
function turnedBy(key, { eye, up }) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const zoom = { "+": 0.9, "-": 1 / 0.9 }[key] ?? 1;
  if (!(key in steps) && zoom === 1) return null;
  const list = (vector) => [vector.x, vector.y, vector.z];
  const named = ([x, y, z]) => ({ x, y, z });
  const distance = Math.hypot(...list(eye));
  const [e, u] = [list(eye).map((part) => part / distance), list(up)];
  const right = [u[1] * e[2] - u[2] * e[1], u[2] * e[0] - u[0] * e[2], u[0] * e[1] - u[1] * e[0]];
  const [h, v] = (steps[key] ?? [0, 0]).map((step) => step * Math.PI / 18);
  const mixed = e.map((part, axis) => part * Math.cos(h + v)
    + (right[axis] * Math.sin(h) + u[axis] * Math.sin(v)));
  const length = Math.hypot(...mixed);
  const turned = mixed.map((part) => part / length);
  const along = turned.reduce((sum, part, axis) => sum + part * u[axis], 0);
  const upright = u.map((part, axis) => part - along * turned[axis]);
  const height = Math.hypot(...upright);
  return {
    eye: named(turned.map((part) => part * distance * zoom)),
    up: named(upright.map((part) => part / height)),
  };
}
