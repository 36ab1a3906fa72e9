// Pairs: how alike each left item is to each right one, and which pair each state holds at this moment.
function makePairs(box, stage) {
  const canvas = el("canvas", { class: "over", tabindex: 0, role: "img" });
  const tip = el("div", { class: "tip", hidden: true });
  const match = el("div", { class: "match" });
  box.append(canvas, match, tip);
  let geometry = null;
  const payload = () => stage.payload;
  const name = (half, i) => (half.names ? half.names[i] : String(i + 1));

  function load(now) {
    canvas.setAttribute("aria-label", now.alt);
    resize();
  }

  function resize() {
    const width = Math.min(box.clientWidth, 520);
    if (!width) return;
    const { left, right } = payload();
    const head = left.grey ? 40 : 26, cell = Math.min(44, (width - head) / right.count);
    geometry = { width, head, cell, height: head + cell * left.count };
    draw(stage.at);
  }

  function item(c, half, i, x, y, size) {
    if (!half.grey) {
      c.fillStyle = stage.colours.muted;
      c.font = `12.5px ${stage.font}`;
      c.textAlign = "center";
      c.fillText(name(half, i), x + size / 2, y + size / 2 + 4);
      return;
    }
    const cell = size / Math.max(half.rows, half.cols), dim = half.rows * half.cols;
    const paper = channels(stage.colours.off), ink = channels(stage.colours.ink);
    for (let j = 0; j < dim; j++) {
      const share = half.grey[i * dim + j] / 255;
      c.fillStyle = `rgb(${paper.map((p, k) => Math.round(p + (ink[k] - p) * share)).join()})`;
      c.fillRect(x + (j % half.cols) * cell, y + Math.floor(j / half.cols) * cell, cell + 0.4, cell + 0.4);
    }
  }

  // How many states hold each pair at this moment.
  function held(at) {
    const { pick } = payload().frames, [, count] = pick.shape, found = new Map();
    for (let i = 0; i < count; i++) {
      const from = 2 * (at * count + i), key = pick[from] * 256 + pick[from + 1];
      found.set(key, (found.get(key) || 0) + 1);
    }
    return { found, count };
  }

  function draw(at) {
    if (!geometry) return;
    const { width, height, head, cell } = geometry, { left, right, similarity, low, high } = payload();
    const c = sized(canvas, width, height), colour = bands([...stage.colours.energyScale].reverse(), BANDS);
    c.clearRect(0, 0, width, height);
    for (let i = 0; i < left.count; i++) item(c, left, i, 0, head + i * cell + 2, Math.min(cell - 4, head - 6));
    for (let j = 0; j < right.count; j++) item(c, right, j, head + j * cell + 2, 0, Math.min(cell - 4, head - 6));
    for (let i = 0; i < left.count; i++) {
      for (let j = 0; j < right.count; j++) {
        const share = (similarity[i * right.count + j] - low) / (high - low || 1);
        c.fillStyle = `rgb(${colour[clamp(Math.floor(share * BANDS), 0, BANDS - 1)].join()})`;
        c.fillRect(head + j * cell, head + i * cell, cell - 1, cell - 1);
      }
    }
    const { found, count } = held(at);
    for (const [key, n] of found) {
      const i = key >> 8, j = key & 255, r = Math.max(2.5, Math.min(cell * 0.4, cell * 0.45 * Math.sqrt(n / count) * 1.6));
      c.beginPath();
      c.arc(head + (j + 0.5) * cell, head + (i + 0.5) * cell, r, 0, 7);
      c.fillStyle = stage.colours.model;
      c.fill();
      c.lineWidth = 1.5;
      c.strokeStyle = stage.colours.halo;
      c.stroke();
    }
    matched(found, count);
  }

  // The pairs that most states hold, as pictures side by side.
  function matched(found, count) {
    const top = [...found].sort((a, b) => b[1] - a[1]).slice(0, 5);
    while (match.children.length < top.length) match.append(el("figure", {}, el("canvas"), el("figcaption")));
    while (match.children.length > top.length) match.lastChild.remove();
    top.forEach(([key, n], k) => {
      const c = sized(match.children[k].firstChild, 84, 40);
      c.clearRect(0, 0, 84, 40);
      item(c, payload().left, key >> 8, 0, 0, 40);
      item(c, payload().right, key & 255, 44, 0, 40);
      match.children[k].lastChild.textContent = percent(n / count);
    });
  }

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = pointerIn(event, canvas), { head, cell } = geometry, { right, left, similarity } = payload();
    const j = Math.floor((x - head) / cell), i = Math.floor((y - head) / cell);
    tip.hidden = i < 0 || j < 0 || i >= left.count || j >= right.count;
    if (tip.hidden) return;
    tip.textContent = `similarity ${number(similarity[i * right.count + j], 2)}, ${name(left, i)} with ${name(right, j)}`;
    tip.style.transform = `translate(${x + 12}px, ${y + 14}px)`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });

  return { load, draw, resize, theme: () => draw(stage.at) };
}
