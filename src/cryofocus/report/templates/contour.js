"use strict";
// Surfaces of maps at any level, found in the browser: surface nets (Gibson 1998).

// Unpacks a map: one byte per voxel, x fastest, with a border of what counts as nothing.
async function unpackVolume(text, edge, nothing) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const values = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = edge + 2;
  const padded = new Uint8Array(n * n * n).fill(nothing);
  for (let z = 0; z < edge; z++) {
    for (let y = 0; y < edge; y++) {
      const row = (z * edge + y) * edge;
      padded.set(values.subarray(row, row + edge), ((z + 1) * n + y + 1) * n + 1);
    }
  }
  return { values: padded, n };
}

// The surface where values pass a level from below (sign 1) or from above (sign -1).
// One vertex per cell that it passes through, in the middle of where it crosses the cell's edges;
// a quadrilateral around every edge of the grid that it crosses.
function contourVolume({ values, n }, level, sign, frame) {
  const strides = [1, n, n * n];
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    strides.reduce((sum, stride, axis) => sum + ((corner >> axis) & 1) * stride, 0));
  const isIn = new Uint8Array(values.length);
  for (let at = 0; at < values.length; at++) isIn[at] = sign * (values[at] - level) > 0 ? 1 : 0;
  const vertexOf = new Int32Array(values.length).fill(-1);
  const surface = { x: [], y: [], z: [], i: [], j: [], k: [], cells: [] };
  const axes = [surface.x, surface.y, surface.z];
  const middle = [0, 0, 0];
  for (let z = 0; z < n - 1; z++) for (let y = 0; y < n - 1; y++) {
    for (let x = 0, cell = (z * n + y) * n; x < n - 1; x++, cell++) {
      let filled = 0;
      for (let corner = 0; corner < 8; corner++) filled += isIn[cell + corners[corner]];
      if (filled === 0 || filled === 8) continue;
      middle.fill(0);
      let crossings = 0;
      for (let axis = 0; axis < 3; axis++) for (let corner = 0; corner < 8; corner++) {
        if ((corner >> axis) & 1) continue;
        const from = cell + corners[corner], to = from + strides[axis];
        if (isIn[from] === isIn[to]) continue;
        for (let other = 0; other < 3; other++) middle[other] += (corner >> other) & 1;
        middle[axis] += (level - values[from]) / (values[to] - values[from]);
        crossings++;
      }
      vertexOf[cell] = surface.cells.length;
      surface.cells.push(cell);
      const at = [x, y, z];
      for (let axis = 0; axis < 3; axis++) {
        axes[axis].push(frame.low[axis] + (at[axis] - 1 + middle[axis] / crossings) * frame.voxel);
      }
    }
  }
  for (const cell of surface.cells) for (let axis = 0; axis < 3; axis++) {
    if (isIn[cell] === isIn[cell + strides[axis]]) continue;
    const [b, c] = [strides[(axis + 1) % 3], strides[(axis + 2) % 3]];
    const ring = [cell, cell - b, cell - b - c, cell - c].map((one) => vertexOf[one]);
    if (!isIn[cell]) ring.reverse();
    surface.i.push(ring[0], ring[0]);
    surface.j.push(ring[1], ring[2]);
    surface.k.push(ring[2], ring[3]);
  }
  return withoutDust(surface, frame.dust);
}

// Leaves out pieces whose surface could not hold so many voxels.
function withoutDust(surface, voxels) {
  const parent = Int32Array.from(surface.cells.keys());
  const root = (one) => {
    while (parent[one] !== one) one = parent[one] = parent[parent[one]];
    return one;
  };
  surface.i.forEach((one, t) => {
    parent[root(surface.j[t])] = root(one);
    parent[root(surface.k[t])] = root(one);
  });
  const size = new Int32Array(parent.length);
  for (let one = 0; one < parent.length; one++) size[root(one)]++;
  const least = 2 + 6 * voxels ** (2 / 3);
  const isKept = surface.i.map((one) => size[root(one)] >= least);
  for (const name of ["i", "j", "k"]) surface[name] = surface[name].filter((_, t) => isKept[t]);
  return surface;
}

// The strongest of another map's values, less its middle, around each vertex.
function sampleAround({ values, n }, cells, middle) {
  const corners = [0, 1, n, n + 1].flatMap((corner) => [corner, corner + n * n]);
  return cells.map((cell) => corners.reduce((strongest, corner) => {
    const value = values[cell + corner] - middle;
    return Math.abs(value) > Math.abs(strongest) ? value : strongest;
  }, 0));
}
