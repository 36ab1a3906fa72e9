// The landscape as a surface, without WebGL: a height for every column of pixels, from the front to the back, so that
// what is nearer hides what is behind it. The picture is made anew only when it is turned; particles are drawn over it.
const HEIGHT = 0.8, SLAB = 0.1; // of half a side: the highest energy, and the thickness under the lowest
const HOME = { yaw: -0.6, pitch: 0.88, zoom: 1 };

function makeSurface(stage) {
  const camera = { ...HOME };
  let size = null, field = null, win = null, light = null, near = null, ratio = 1;

  // --- from the window to the screen and back ---
  function aim(width, height) {
    ratio = density();
    size = { width, height, x: width / 2, y: height * 0.56, scale: camera.zoom * Math.min(width / 2.95, height / 2.35) };
    Object.assign(camera, { sin: Math.sin(camera.yaw), cos: Math.cos(camera.yaw), down: Math.sin(camera.pitch), up: Math.cos(camera.pitch) });
  }

  const unit = (x, y) => [(2 * (x - win[0])) / (win[1] - win[0]) - 1, (2 * (y - win[2])) / (win[3] - win[2]) - 1];
  const depth = (a, b) => a * camera.sin + b * camera.cos;
  const screen = (a, b, h) => [size.x + size.scale * (a * camera.cos - b * camera.sin),
    size.y - size.scale * (depth(a, b) * camera.down + h * HEIGHT * camera.up)];

  // The level of the energy, 0 to 1, at a place of the window (-1 to 1 on both sides).
  function level(a, b, grid = field.z) {
    const { x: fx, y: fy, z } = field, [ny, nx] = z.shape;
    const x = win[0] + ((a + 1) / 2) * (win[1] - win[0]), y = win[2] + ((b + 1) / 2) * (win[3] - win[2]);
    const col = clamp(((x - fx[0]) / (fx[1] - fx[0])) * (nx - 1), 0, nx - 1.001);
    const row = clamp(((y - fy[0]) / (fy[1] - fy[0])) * (ny - 1), 0, ny - 1.001);
    const k = col | 0, r = row | 0, s = col - k, t = row - r, at = r * nx + k;
    const value = (grid[at] * (1 - s) + grid[at + 1] * s) * (1 - t) + (grid[at + nx] * (1 - s) + grid[at + nx + 1] * s) * t;
    return grid === field.z ? (value + 32768) / 65536 : value;
  }

  // How much light falls on each place of the field: the slope towards the upper left.
  function lit() {
    const { z } = field, [ny, nx] = z.shape, found = new Float32Array(ny * nx);
    const step = (2 * (field.x[1] - field.x[0])) / (win[1] - win[0]) / (nx - 1) || 1;
    for (let r = 0; r < ny; r++) {
      for (let k = 0; k < nx; k++) {
        const dx = z[r * nx + Math.min(nx - 1, k + 1)] - z[r * nx + Math.max(0, k - 1)];
        const dy = z[Math.min(ny - 1, r + 1) * nx + k] - z[Math.max(0, r - 1) * nx + k];
        const slope = HEIGHT / 65536 / (2 * step);
        found[r * nx + k] = clamp(1 + 0.22 * (dx * slope - dy * slope), 0.72, 1.22);
      }
    }
    return found;
  }

  // --- the picture ---
  function paint(c, width, height, payload, window_) {
    if (field !== payload.field || win?.join() !== window_.join()) { field = payload.field; win = [...window_]; light = null; }
    light ??= lit();
    aim(width, height);
    c.clearRect(0, 0, width, height);
    const w = Math.round(width * ratio), h = Math.round(height * ratio), colours = stage.colours;
    const image = c.createImageData(w, h), pixels = image.data, colour = bands(colours.energyScale, BANDS);
    const band = new Int8Array(w * h).fill(-1);
    near = new Float32Array(w * h).fill(Infinity);
    for (let i = 0; i < w; i++) column(i, w, h, pixels, band, colour);
    for (let i = 0; i < w * h; i++) {
      if (band[i] < 0) continue;
      const below = i + w < w * h ? band[i + w] : -1, beside = (i + 1) % w ? band[i + 1] : -1;
      if ((below < 0 || below === band[i]) && (beside < 0 || beside === band[i])) continue;
      for (let j = 0; j < 3; j++) pixels[4 * i + j] += (255 - pixels[4 * i + j]) * (ratio > 1 ? 0.22 : 0.18);
    }
    c.putImageData(image, 0, 0);
    edges(c, colours);
  }

  function column(i, w, h, pixels, band, colour) {
    const u = ((i + 0.5) / ratio - size.x) / size.scale, { sin, cos, down, up } = camera;
    // a = u cos + v sin and b = v cos - u sin both stay within -1 and 1
    let from = -3, to = 3;
    for (const [start, slope] of [[u * cos, sin], [-u * sin, cos]]) {
      if (Math.abs(slope) < 1e-6) { if (Math.abs(start) > 1) return; continue; }
      const ends = [(-1 - start) / slope, (1 - start) / slope];
      from = Math.max(from, Math.min(...ends));
      to = Math.min(to, Math.max(...ends));
    }
    if (!(to > from)) return;
    const steps = Math.max(2, Math.ceil((to - from) * size.scale * ratio * 0.8));
    let top = h;
    for (let n = 0; n <= steps; n++) {
      const v = from + ((to - from) * n) / steps, a = clamp(u * cos + v * sin, -1, 1), b = clamp(v * cos - u * sin, -1, 1);
      const z = level(a, b), line = (size.y - size.scale * (v * down + z * HEIGHT * up)) * ratio;
      if (n === 0) top = Math.min(h, Math.ceil((size.y - size.scale * (v * down - SLAB * up)) * ratio));
      const first = Math.max(0, Math.floor(line));
      if (first >= top) continue;
      const wall = n === 0, bright = wall ? (stage.colours.dark ? 0.62 : 0.85) : level(a, b, light);
      for (let j = first; j < top; j++) {
        // On the cut edge every height has its own energy's colour, as the layers of a rock.
        const share = wall ? ((size.y - j / ratio) / size.scale - v * down) / (HEIGHT * up) : z;
        const at = j * w + i, kind = clamp((share * BANDS) | 0, 0, BANDS - 1), rgb = colour[kind];
        for (let k = 0; k < 3; k++) pixels[4 * at + k] = Math.min(255, rgb[k] * bright);
        pixels[4 * at + 3] = 255;
        band[at] = wall ? -1 : kind;
        near[at] = v;
      }
      top = first;
    }
  }

  // Ticks along the two edges that are nearest.
  function edges(c, colours) {
    c.font = `12.5px ${stage.font}`;
    c.fillStyle = colours.muted;
    const front = { a: camera.sin > 0 ? -1 : 1, b: camera.cos > 0 ? -1 : 1 };
    for (const tick of ticks(win[0], win[1], 4)) label(c, tick, unit(tick, 0)[0], front.b);
    for (const tick of ticks(win[2], win[3], 4)) label(c, tick, front.a, unit(0, tick)[1]);
  }

  function label(c, tick, a, b) {
    if (Math.abs(a) > 1.001 || Math.abs(b) > 1.001) return;
    const [x, y] = screen(a, b, 0), middle = x - size.x;
    c.textAlign = Math.abs(middle) < 12 ? "center" : middle < 0 ? "right" : "left";
    c.fillText(number(tick), x + Math.sign(middle) * 2, y + SLAB * size.scale * camera.up + 15);
  }

  // A place of the landscape: where on the screen, how far away, and whether a hill hides it. Null outside.
  function spot(x, y) {
    if (!near) return null;
    const [a, b] = unit(x, y);
    if (Math.abs(a) > 1 || Math.abs(b) > 1) return null;
    const [px, py] = screen(a, b, level(a, b)), away = depth(a, b);
    const at = Math.round(py * ratio - 1) * Math.round(size.width * ratio) + Math.round(px * ratio);
    return { px, py, away, hidden: near[at] < away - 0.06 };
  }

  // The place under a pixel, or null beside the landscape.
  function place(px, py) {
    const v = near ? near[Math.round(py * ratio) * Math.round(size.width * ratio) + Math.round(px * ratio)] : Infinity;
    if (!Number.isFinite(v)) return null;
    const u = (px - size.x) / size.scale;
    const a = u * camera.cos + v * camera.sin, b = v * camera.cos - u * camera.sin;
    return { x: win[0] + ((a + 1) / 2) * (win[1] - win[0]), y: win[2] + ((b + 1) / 2) * (win[3] - win[2]) };
  }

  function turn(yaw, pitch) {
    camera.yaw = (camera.yaw + yaw) % (2 * Math.PI);
    camera.pitch = clamp(camera.pitch + pitch, 0.2, 1.5);
  }

  function zoom(factor) {
    if (factor) camera.zoom = clamp(camera.zoom / factor, 0.6, 4);
    else Object.assign(camera, HOME);
  }

  return { paint, spot, place, turn, zoom, camera };
}
