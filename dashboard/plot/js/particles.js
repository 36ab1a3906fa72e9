// Particles on the plane, from above or on the surface: discs, trails, one that is followed, and what was offered.
const TRAIL = 9, TRAILED = 75, PATH = 40, FEW = 12, RIM = 0.02;

function makeSprite(colours) {
  const canvas = document.createElement("canvas");
  const c = sized(canvas, 12, 12);
  c.beginPath(); c.arc(6, 6, 4.25, 0, 7); c.fillStyle = colours.halo; c.fill();
  c.beginPath(); c.arc(6, 6, 3.25, 0, 7); c.fillStyle = colours.model; c.fill();
  return { canvas, colour: colours.model };
}

// The places (x, y, x, y, ...) in the plane of the first `most` particles at moment `at`, `share` of the way to the next.
function placesAt(payload, at, share = 0, most = Infinity, q = payload.frames.q) {
  const { low, high } = payload.frames, all = q.shape[1], count = Math.min(all, most), out = new Float32Array(2 * count);
  const from = 2 * all * at, on = share > 0 && at + 1 < q.shape[0] ? 2 * all : 0;
  for (let axis = 0; axis < 2; axis++) {
    const unit = (high[axis] - low[axis]) / 65535;
    for (let i = axis; i < 2 * count; i += 2) {
      const value = on ? q[from + i] + (q[from + on + i] - q[from + i]) * share : q[from + i];
      out[i] = low[axis] + (value + 32768) * unit;
    }
  }
  return out;
}

// `spot(x, y)` gives the pixel of a place: {px, py, away, hidden}, or null where it cannot be seen.
function drawParticles(c, sprite, places, spot, solid, faint) {
  let seen = [];
  for (let i = 0; i < places.length; i += 2) {
    const at = spot(places[i], places[i + 1]);
    if (at) seen.push(at);
  }
  if (solid) seen = seen.sort((p, q) => q.away - p.away);
  for (const { px, py, hidden } of seen) {
    c.globalAlpha = hidden ? 0.18 : faint ? 0.4 : 1;
    c.drawImage(sprite.canvas, px - 6, py - 6, 12, 12);
  }
  c.globalAlpha = 1;
  return seen.length;
}

function drawTrails(c, stage, places, spot) {
  const { payload, at, share, colours } = stage, first = Math.max(0, at - TRAIL), past = [];
  for (let f = first; f <= at; f++) past.push(placesAt(payload, f, 0, TRAILED));
  if (share) past.push(places.subarray(0, 2 * TRAILED));
  if (past.length < 2) return;
  const count = past[0].length;
  c.strokeStyle = colours.model;
  c.lineWidth = 1;
  let before = [];
  for (let k = 0; k < past.length; k++) {
    const now = [];
    for (let i = 0; i < count; i += 2) now.push(spot(past[k][i], past[k][i + 1]));
    if (k) {
      c.globalAlpha = 0.25 + 0.45 * Math.min(1, k / TRAIL);
      c.beginPath();
      now.forEach((to, i) => line(c, before[i], to));
      c.stroke();
    }
    before = now;
  }
  c.globalAlpha = 1;
}

function line(c, from, to) {
  if (!from || !to || from.hidden || to.hidden) return;
  c.moveTo(from.px, from.py);
  c.lineTo(to.px, to.py);
}

// The one that is followed: its path, and a ring around it.
function drawFollowed(c, stage, sprite, places, spot) {
  const { payload, at, followed, colours } = stage;
  if (followed < 0 || 2 * followed >= places.length) return;
  const path = [];
  for (let f = Math.max(0, at - PATH); f <= at; f++) path.push(placesAt(payload, f, 0, followed + 1).slice(-2));
  path.push(places.slice(2 * followed, 2 * followed + 2));
  for (const [colour, width] of [[colours.halo, 3.5], [colours.model, 1.75]]) {
    c.beginPath();
    for (let k = 1; k < path.length; k++) line(c, spot(...path[k - 1]), spot(...path[k]));
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.stroke();
  }
  const here = spot(...path[path.length - 1]);
  if (!here) return;
  c.drawImage(sprite.canvas, here.px - 6, here.py - 6, 12, 12);
  for (const [colour, width] of [[colours.halo, 5], [colours.accent, 2.5]]) {
    c.beginPath();
    c.arc(here.px, here.py, 8.5, 0, 7);
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.stroke();
  }
}

// The particles whose proposals are drawn, the same at every moment: the one that is followed, else each of few, else a
// dozen that are evenly spread over those whose proposals were sent.
function offeredTo({ payload, followed }) {
  const sent = Math.min(payload.proposed.q.shape[1], payload.frames.q.shape[1]), most = Math.min(sent, FEW);
  if (followed >= 0) return followed < sent ? [followed] : [];
  return Array.from({ length: most }, (_, i) => Math.floor(((i + 0.5) * sent) / most));
}

// What the legend says of them: nothing of what never happens to them.
function proposalMarks(stage) {
  const { proposed, frames } = stage.payload, chosen = offeredTo(stage), [moments, sent] = proposed.q.shape;
  const ever = (answer) => chosen.some((i) => {
    for (let at = 0; at < moments; at++) if (proposed.answer[at * sent + i] === answer) return true;
    return false;
  });
  const count = frames.q.shape[1], part = chosen.length < count ? ` (${chosen.length} of ${count} shown)` : "";
  const refused = ever(1), words = "Of the same particles throughout, or of all that are seen once the window holds few";
  const marks = ever(2) ? [["stroke", `accepted${refused ? "" : part}`, `The last proposal was accepted: a line from the moment before. ${words}`]] : [];
  if (refused) marks.push(["ring", `refused${part}`, `The place that was refused, or the window's edge where it is beyond. ${words}`]);
  return marks;
}

// How far from inside a window (x0, x1, y0, y1) one can go along a line, at most 1: to its edge, less `rim` of its side.
function reach(from, to, win, rim) {
  let share = 1;
  for (let axis = 0; axis < 2; axis++) {
    const low = win[2 * axis], high = win[2 * axis + 1], inset = rim * (high - low), go = to[axis] - from[axis];
    if (to[axis] < low || to[axis] > high) share = Math.min(share, ((go < 0 ? low + inset : high - inset) - from[axis]) / go);
  }
  return Math.max(0, share);
}

// What was offered: refused is a hollow ring at the end of a dashed line, at the window's edge where the place is beyond
// it; taken is a line from where it was a moment before. Returns how many were drawn of each.
function drawProposals(c, stage, places, spot, visible, win) {
  const { payload, at, followed, colours } = stage, { proposed } = payload, drawn = { taken: 0, refused: 0 };
  if (!proposed || stage.pending) return drawn;
  const some = Math.min(proposed.q.shape[1], places.length / 2);
  const chosen = followed < 0 && visible <= FEW ? Array.from({ length: some }, (_, i) => i) : offeredTo(stage);
  const offered = placesAt(payload, at, 0, some, proposed.q), now = placesAt(payload, at, 0, some);
  const before = at > 0 ? placesAt(payload, at - 1, 0, some) : null;
  const inside = (x, y) => x >= win[0] && x <= win[1] && y >= win[2] && y <= win[3];
  for (const i of chosen) {
    const answer = i < some ? proposed.answer[at * proposed.q.shape[1] + i] : 0;
    const refused = answer === 1, old = refused ? now : before;
    if (!answer || !old) continue;
    const was = [old[2 * i], old[2 * i + 1]], place = [offered[2 * i], offered[2 * i + 1]];
    if (!inside(...was) && !inside(...place)) continue;
    const share = inside(...was) ? reach(was, place, win, refused ? RIM : 0) : 1;
    const to = spot(...place.map((v, axis) => was[axis] + share * (v - was[axis]))), from = spot(...was);
    if (!to || !from) continue;
    drawn[refused ? "refused" : "taken"]++;
    for (const [colour, width] of [[colours.halo, 3.5], [refused ? colours.rejected : colours.model, 1.75]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.setLineDash(refused ? [4, 3] : []);
      c.beginPath();
      c.moveTo(from.px, from.py);
      c.lineTo(to.px, to.py);
      c.stroke();
      c.setLineDash([]);
      if (!refused) continue;
      c.beginPath();
      c.arc(to.px, to.py, 5, 0, 7);
      c.moveTo(to.px - 2.5, to.py - 2.5); c.lineTo(to.px + 2.5, to.py + 2.5);
      c.moveTo(to.px + 2.5, to.py - 2.5); c.lineTo(to.px - 2.5, to.py + 2.5);
      c.stroke();
    }
  }
  return drawn;
}
