// The stage: one view of the space, its live figures, its transport; and the edit that is under way.
const VIEWS = { plane: makePlane, cells: makeCells, images: makeImages, scatter: makeScatter, pairs: makePairs };
const TOOLS = {
  plane: [["drop", "Drop", "Click to drop particles"],
    ["follow", "Follow", "Click a particle to follow it, N for the next one: its path, and what it was offered"]],
  cells: [["flip", "Flip", "Click or drag cells to flip them"], ["erase", "Erase", "Click or drag to erase cells: only erased cells move"]],
  images: [["look", "Look", "Click a picture to choose it"], ["flip", "Draw", "Draw on the chosen picture"],
    ["erase", "Erase", "Erase cells of it: only erased cells move"]],
};
// What is drawn of what a sampler proposed, and its words.
const OFFERED = {
  cells: [["ring", "flip refused last", "Of the proposals before this moment, the last one, where it was refused"],
    ["framed", "flipped", "Cells that are not as they were one moment before"]],
  images: [["dashes", "refused", "A picture whose last proposal was refused has a dashed frame: it is as it was"]],
};
const DRAWN = 700; // ms after the last edit of a drawing until it plays
const PATIENCE = 2500; // ms until an edit that nobody answered is sent again
const HELD = 20000; // ms in which a stage made anew takes over what was drawn on the one before it
const UNANSWERED = new Map(); // a stage's key → its last edit, until that is answered

function makeStage(host) {
  const kind = host.dataset.kind;
  const legend = el("div", { class: "legend" }), main = el("div", { class: "main" }), side = el("div", { class: "side" });
  const tools = el("div", { class: "tools" }), film = el("div", { class: "film" });
  const bar = el("div", { class: "transport", role: "group", "aria-label": "Playback" });
  const body = el("div", { class: "body" }, el("div", { class: "head" }, legend, tools), main, side, bar, film);
  host.replaceChildren(body);

  const stage = { payload: null, at: 0, speed: 1, loop: false, selected: 0, pending: null, colours: null, font: "sans-serif",
    tool: { images: "look", plane: "drop", scatter: "drop" }[kind] || "flip", share: 0, solid: false, followed: -1, toggle, pause, show, base, drop, edit, select, freeMask, drawLegend };
  const charts = makeCharts(side, stage), transport = makeTransport(bar, stage), view = VIEWS[kind](main, stage);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let send = null, playing = false, clock = 0, since = 0, timer = 0, replay = false, sent = 0, rest = 0;

  // --- what comes from Python ---
  function receive(payload, setState) {
    send = setState;
    const before = stage.payload, same = before && before.digest === payload.digest;
    if (stage.pending && payload.seen === stage.pending.number) clearTimeout(timer);
    if (same) {
      before.seen = payload.seen;
      if (stage.pending && payload.answers === stage.pending.number) { settled(); show(stage.at); } // back to what was
      return;
    }
    // The run of an older edit may come while newer ones are under way: only its own answer ends an edit, or a
    // start that was never drawn here.
    const answered = stage.pending && payload.answers === stage.pending.number;
    const replaced = stage.pending && !payload.answers && payload.seen === stage.pending.number;
    const wasLast = !before || stage.at >= before.steps.length - 1, wasPlaying = playing;
    stage.payload = payload;
    stage.selected = Math.min(stage.selected, (payload.shown || 1) - 1);
    if (answered || replaced) settled();
    const left = before ? null : takenOver(payload);
    paintTheme();
    host.setAttribute("role", "figure");
    host.setAttribute("aria-label", payload.alt);
    view.load(payload, !before);
    charts.load(payload);
    transport.load(payload);
    drawLegend();
    drawTools();
    makeFilm();
    const last = payload.steps.length - 1;
    if (left) {
      stage.pending = left;
      show(0);
      drawTools();
      if (payload.seen !== left.number) post();
    } else if (!before) {
      show(last);
      if (!still.matches && last > 0) { show(0); play(); }
    } else if (answered || stage.pending) {
      show(0);
      if (answered) playSoon();
      replay = false;
    } else if (wasPlaying) { show(0); play(); } else show(wasLast ? last : Math.min(stage.at, last));
    host.dataset.digest = payload.digest;
    host.dataset.ready = "yes";
  }

  function settled() {
    stage.pending = null;
    UNANSWERED.delete(stage.payload.key);
  }

  // What was drawn on a stage that has gone, where this payload does not answer it.
  function takenOver(payload) {
    const left = UNANSWERED.get(payload.key);
    if (!left || Date.now() - left.number > HELD || payload.answers === left.number) return null;
    sent = left.number;
    return left;
  }

  // --- moving ---
  function show(at) {
    stage.at = clamp(at, 0, stage.payload.steps.length - 1);
    host.dataset.at = stage.at;
    view.draw(stage.at);
    charts.move(stage.at);
    transport.move(stage.at);
    moveFilm();
    tellMoment(stage.payload.key, { steps: stage.payload.steps, at: stage.at, owner: stage, go });
  }

  // To the moment nearest to this step: a figure beside the stage was pressed there.
  function go(step) {
    const { steps } = stage.payload;
    let best = 0;
    for (let i = 1; i < steps.length; i++) if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i;
    pause();
    show(best);
  }

  function play() {
    if (stage.pending) { replay = true; return; }
    const last = stage.payload.steps.length - 1;
    if (last < 1) return;
    if (stage.at >= last) show(0);
    playing = true;
    host.dataset.playing = "yes";
    transport.playing(true);
    clock = performance.now();
    since = 0;
    requestAnimationFrame(tick);
  }

  // After an edit: a particle that was dropped moves at once; a drawing is first left alone for a moment.
  function playSoon() {
    if (still.matches) return;
    if (replay || kind === "plane") { play(); return; }
    rest = setTimeout(() => { if (!stage.pending && stage.at === 0 && !playing) play(); }, DRAWN);
  }

  // The moment that an edit begins from: the one that is shown, but while a drawn start moves, that start.
  function base() {
    if (playing && stage.payload.drawn) show(0);
    return stage.at;
  }

  function pause() {
    clearTimeout(rest);
    if (stage.share) { stage.share = 0; view.draw(stage.at); }
    playing = false;
    host.dataset.playing = "no";
    transport.playing(false);
  }

  function toggle() { if (playing) pause(); else play(); }

  function tick(now) {
    if (!playing) return;
    const count = stage.payload.steps.length, last = count - 1;
    const rate = Math.max(stage.payload.fps, count / 14) * stage.speed;
    since += Math.min(250, now - clock);
    clock = now;
    const on = Math.floor((since * rate) / 1000 + 1e-6);
    stage.share = view.glides ? Math.min(1, (since * rate) / 1000 - on) : 0;
    if (on > 0) {
      since -= (on * 1000) / rate;
      if (stage.at + on >= last && stage.loop) show(stage.at >= last ? 0 : last);
      else show(stage.at + on);
      if (stage.at >= last && !stage.loop) return pause();
    } else if (view.glides) view.draw(stage.at);
    requestAnimationFrame(tick);
  }

  // --- the start editor ---
  function freeMask() {
    if (stage.pending && stage.pending.free !== undefined) return stage.pending.free;
    return stage.payload.free ? Array.from(stage.payload.free) : null;
  }

  function edit({ state, points, free }) {
    pause();
    const mask = free && free.some((v) => v) ? free : null;
    stage.pending = { state, points, free: mask, number: Math.max(Date.now(), sent + 1) };
    UNANSWERED.set(stage.payload.key, stage.pending);
    show(0);
    drawTools();
    drawLegend();
    post();
  }

  function post(tries = 0) {
    const { state, points, free, number } = stage.pending;
    sent = number;
    const message = { number, free: free || null };
    if (kind === "plane") message.states = points;
    else if (points) message.points = points;
    else message.states = state ? [Array.from(state)] : [];
    send("edit", message);
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (tries < 5 && stage.pending && stage.pending.number === number && stage.payload.seen !== number) post(tries + 1);
    }, PATIENCE);
  }

  // A particle dropped on the plane joins those dropped before; the first one clears the crowd.
  function drop({ x, y }) {
    const before = stage.pending ? stage.pending.points : stage.payload.start ? rows(stage.payload.start) : [];
    const points = [...before].map((p) => [p[0], p[1]]);
    points.push([+x.toFixed(4), +y.toFixed(4)]);
    edit({ points: points.slice(-500) });
  }

  function clear() {
    pause();
    stage.pending = { number: Math.max(Date.now(), sent + 1), points: kind === "plane" || kind === "scatter" ? [] : undefined };
    sent = stage.pending.number;
    send("edit", { number: sent, states: [], points: [], free: null });
    settled();
    show(0);
    drawTools();
  }

  function select(i) {
    stage.selected = i;
    charts.resize();
    show(stage.at);
    drawLegend();
    for (const [k, node] of [...film.children].entries()) node.setAttribute("aria-pressed", String(k === i));
  }

  // --- around the view ---
  function drawLegend() {
    const marks = stage.payload.legend.map((m) => el("span", { class: `mark ${m.shape === "cell" ? "square" : m.shape} ${m.role}` }, el("i"), m.words));
    const { patterns, origin, names } = stage.payload;
    if (patterns && origin) {
      const own = names[origin[Math.min(stage.selected, origin.length - 1)]];
      marks.push(el("span", { class: "mark dot" }, el("i"), `differs from ‘${own}’`));
    }
    const { proposed, thinned } = stage.payload;
    const offered = !proposed ? [] : OFFERED[kind] || proposalMarks(stage);
    for (const [look, words, help] of offered) marks.push(el("span", { class: `mark ${look}`, title: help }, el("i"), words));
    if (thinned) {
      marks.push(el("span", { class: "thinned", title: "The others stay on the server, so that the page stays light",
        text: `${thinned[0]} of ${thinned[1]} moments` }));
    }
    if (stage.freeMask()) marks.push(el("span", { class: "mark erased" }, el("i"), "erased: only these move"));
    legend.replaceChildren(...marks);
  }

  function drawTools() {
    const payload = stage.payload;
    tools.replaceChildren();
    if (!payload.editable) return;
    const chosen = (TOOLS[kind] || []).filter(([name]) => name !== "erase" || payload.can_free !== false);
    for (const [name, text, help] of chosen.length > 1 ? chosen : []) {
      tools.append(el("button", { type: "button", text, title: help, "aria-pressed": String(stage.tool === name),
        onclick: () => takeUp(name) }));
    }
    if (kind === "scatter") tools.append(el("span", { class: "hint", text: "Click to drop particles" }));
    if (kind === "plane" && payload.field) tools.append(views());
    const drawn = stage.pending || payload.start || payload.drawn || payload.free;
    if (drawn) tools.append(el("button", { type: "button", class: "clear", text: "Clear", title: "Take the drawn start back", onclick: clear }));
  }

  function views() {
    const button = (solid, text, help) => el("button", { type: "button", text, title: help, "aria-pressed": String(stage.solid === solid),
      onclick: () => { stage.solid = solid; drawTools(); view.turnInto(solid); } });
    return el("span", { class: "views", role: "group", "aria-label": "View" }, button(false, "2-D", "The landscape from above"),
      button(true, "3-D", "The landscape as a surface: drag or arrow keys turn it, + and − zoom"));
  }

  // A tool that draws is for the start, so the start is shown.
  function takeUp(name) {
    stage.tool = name;
    pause();
    drawTools();
    show(["flip", "erase"].includes(name) ? 0 : stage.at);
  }

  const stops = () => {
    const last = stage.payload.steps.length - 1, most = Math.min(8, last + 1);
    return [...new Set(Array.from({ length: most }, (_, i) => Math.round((i * last) / Math.max(1, most - 1))))];
  };

  function makeFilm() {
    inSight.disconnect();
    film.replaceChildren();
    const many = view.states ? view.states() > 1 : false;
    film.hidden = !view.picture;
    if (!view.picture) return;
    const { steps, unit } = stage.payload, last = steps.length - 1;
    const frames = many ? Array.from({ length: view.states() }, (_, i) => ({ chosen: i }))
      : stops().map((at) => ({ at, text: at === 0 ? "start" : at === last ? `end, ${unit} ${steps[at]}` : `${unit} ${steps[at]}` }));
    for (const frame of frames) {
      const label = frame.text || `State ${frame.chosen + 1}`;
      const node = el("button", { type: "button", class: "frame", "aria-label": label,
        onclick: () => { if (frame.at === undefined) select(frame.chosen); else { pause(); show(frame.at); } } },
        el("canvas"), frame.text ? el("span", { text: frame.text }) : "");
      node.frame = frame;
      film.append(node);
      if (frame.at !== undefined) view.picture(node.firstChild, frame.at);
      else {
        view.picture(node.firstChild, stage.at, frame.chosen);
        node.setAttribute("aria-pressed", String(frame.chosen === stage.selected));
        inSight.observe(node);
      }
    }
  }

  // Of a strip of many states only those are drawn that can be seen.
  const inSight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.unseen = !isIntersecting;
      if (isIntersecting && stage.payload && target.isConnected) view.picture(target.firstChild, stage.at, target.frame.chosen);
    }
  });

  function moveFilm() {
    for (const node of film.children) {
      if (node.frame.at === undefined) node.unseen || view.picture(node.firstChild, stage.at, node.frame.chosen);
      else node.classList.toggle("now", node.frame.at === stage.at);
    }
  }

  // --- theme, size, keys ---
  function paintTheme() {
    stage.colours = coloursOf(isDark(host));
    stage.font = getComputedStyle(host).fontFamily || "sans-serif";
    for (const [name, value] of Object.entries(PALETTE[stage.colours.dark ? "dark" : "light"])) {
      host.style.setProperty(`--c-${name}`, value);
    }
    host.style.setProperty("--energy-scale", stage.colours.energyScale.join());
    host.classList.toggle("dark", stage.colours.dark);
  }

  function repaint() {
    paintTheme();
    if (!stage.payload) return;
    view.theme();
    makeFilm();
    moveFilm();
  }

  body.addEventListener("keydown", (event) => {
    const node = event.composedPath()[0];
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const native = ["INPUT", "SELECT"].includes(node.tagName);
    const action = { ArrowLeft: () => { pause(); show(stage.at - 1); }, ArrowRight: () => { pause(); show(stage.at + 1); },
      Home: () => { pause(); show(0); }, End: () => { pause(); show(stage.payload.steps.length - 1); }, " ": toggle,
      PageUp: () => { pause(); show(stage.at - 10); }, PageDown: () => { pause(); show(stage.at + 10); },
      l: transport.repeat, L: transport.repeat, ",": () => transport.faster(-1), ".": () => transport.faster(1) }[event.key];
    if (!action || (native && event.key !== " ") || node.tagName === "SELECT") return;
    if (event.key === " " && node.tagName === "BUTTON") return;
    event.preventDefault();
    action();
  });

  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (!stage.payload || host.clientWidth === width) return;
    width = host.clientWidth;
    view.resize();
    charts.resize();
  });
  sizes.observe(host);
  const forget = onTheme(host, repaint);

  return { receive, repaint, stop() {
    pause();
    clearTimeout(timer);
    sizes.disconnect();
    forget();
    if (stage.payload) forgetMoment(stage.payload.key, stage);
  } };
}

export default function (component) {
  const host = component.parentElement.querySelector(".stage");
  host.stage ||= makeStage(host);
  const stage = host.stage;
  stage.receive(openEnvelope(component.data), component.setStateValue);
  return () => setTimeout(() => { if (!host.isConnected) stage.stop(); });
}
