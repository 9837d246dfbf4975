"use strict";
// What the viewer of the report and the page of mask place share: how surfaces are unpacked and lit.
const VIEWS = {
  tilted: { eye: { x: 0.45, y: -1.05, z: 0.35 }, up: { x: 0, y: 0, z: 1 } },
  xy: { eye: { x: 0, y: 0, z: 1.2 }, up: { x: 0, y: 1, z: 0 } },
  xz: { eye: { x: 0, y: -1.2, z: 0 }, up: { x: 0, y: 0, z: 1 } },
  zy: { eye: { x: -1.2, y: 0, z: 0 }, up: { x: 0, y: 1, z: 0 } },
};
const SCENE_CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };

// The light stands behind the viewer, a little above.
function lightFor({ eye, up }) {
  const [x, y, z] = ["x", "y", "z"].map((axis) => 1e5 * (eye[axis] + 0.5 * up[axis]));
  return { x, y, z };
}

// Gives a function that unpacks the columns of a mesh, once.
function surfaceReader(frame) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  function columns(numbers, step, low) {
    const result = [0, 1, 2].map(() => new Float32Array(numbers.length / 3));
    for (let i = 0; i < numbers.length; i++) {
      result[i % 3][(i / 3) | 0] = low[i % 3] + step * numbers[i];
    }
    return result;
  }
  return (mesh) => {
    if (!mesh.columns) {
      const corners = bytes(mesh.t);
      const indices = mesh.wide ? new Uint32Array(corners) : new Uint16Array(corners);
      const [x, y, z] = columns(new Uint16Array(bytes(mesh.v)), frame.step, frame.low);
      const [i, j, k] = columns(indices, 1, [0, 0, 0]);
      mesh.columns = { x, y, z, i, j, k };
    }
    return mesh.columns;
  };
}

const meshTrace = (columns, light) => ({
  type: "mesh3d",
  ...columns,
  lighting: { ambient: 0.45, diffuse: 0.75, specular: 0.12, roughness: 0.6, fresnel: 0.1 },
  lightposition: light,
  hovertemplate: "%{x:.1f}, %{y:.1f}, %{z:.1f} Å<extra>%{fullData.name}</extra>",
});

function sceneLayout(frame, camera) {
  const [xaxis, yaxis, zaxis] = frame.low.map((low) => (
    { visible: false, range: [low, low + frame.size] }));
  return {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    showlegend: false,
    // Plotly turns the camera it is given.
    scene: {
      xaxis, yaxis, zaxis, aspectmode: "cube", dragmode: "orbit", camera: structuredClone(camera),
    },
  };
}
