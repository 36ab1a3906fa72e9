// Home's landscape: wells that are dragged, and what becomes of them, all of it computed and painted here.
// Python is told the setting when the hand is off it, and writes it into the address.
const CROWD = 400, SWEEPS = 3, CALM = 300; // walkers; sweeps a frame; and ms until Python is told
const FIELDS = [ // of a well: where it stands, its name and unit of moving
  { name: "place", limits: "centres", step: 0.1 },
  { name: "depth", limits: "depths", step: 0.1 },
  { name: "width", limits: "widths", step: 0.05 },
];
const GROUND = [-5.5, 2.2]; // energies that are shown at least
const signed = (value, many = 2) => number(value, many);

function makeWells(host, data) {
  const lim = data.limits, find = (name) => host.querySelector(name);
  const plots = [...host.querySelectorAll(".plot")], panels = plots.map((plot) => makePanel(plot, lim));
  const state = { lim, setting: copied(data), solved: null, bars: null, crowd: makeCrowd(CROWD, lim), range: GROUND };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let look = null, chosen = 0, handles = [], held = false, playing = !still.matches, seen = true, frame = 0, timer = 0, send = null;
  let asked = 0, smooth = null;

  // --- the setting ---
  function changed({ quiet = false } = {}) {
    state.solved = solveWells(state.setting, lim);
    state.bars = barsOf(state.setting, +bars.value, lim);
    if (!held) rescale();
    if (!playing) state.crowd.step(state.setting, 300);
    smooth = null;
    host.dataset.z = state.solved.partition;
    host.dataset.mean = state.solved.mean;
    host.dataset.shares = JSON.stringify(state.solved.shares);
    host.dataset.wells = JSON.stringify(state.setting.wells);
    host.dataset.temperature = state.setting.temperature;
    words();
    paint();
    if (!quiet) tell();
  }

  function tell() {
    clearTimeout(timer);
    host.dataset.told = "no";
    timer = setTimeout(() => {
      if (held) return tell();
      asked = Math.max(Date.now(), asked + 1);
      send("edit", { number: asked, temperature: state.setting.temperature, wells: state.setting.wells });
      host.dataset.told = "yes";
    }, CALM);
  }

  function set(index, values) {
    const well = state.setting.wells[index];
    FIELDS.forEach(({ limits }, k) => {
      if (values[k] !== undefined) well[k] = +clamp(values[k], ...lim[limits]).toFixed(2);
    });
    changed();
  }

  function add(at, depth = 2, width = 0.7) {
    if (state.setting.wells.length >= lim.most) return say(`${spell(lim.most)} wells are the most.`);
    state.setting.wells.push([clampTo(at, lim.centres), clampTo(depth, lim.depths), clampTo(width, lim.widths)]);
    chosen = state.setting.wells.length - 1;
    rebuild();
    changed();
    say(`Well ${chosen + 1} added at x = ${signed(state.setting.wells[chosen][0])}.`);
  }

  function remove() {
    if (!state.setting.wells.length) return;
    const had = host.getRootNode().activeElement, onHandle = had && had.classList.contains("handle");
    state.setting.wells.splice(chosen, 1);
    say(`Well ${chosen + 1} removed.`);
    chosen = Math.max(0, Math.min(chosen, state.setting.wells.length - 1));
    rebuild();
    changed();
    if (onHandle) (handles[chosen] || addButton).focus();
    else if (!state.setting.wells.length) addButton.focus();
  }

  const clampTo = (value, [low, high]) => +clamp(value, low, high).toFixed(2);
  const spell = (n) => ["No", "One", "Two", "Three", "Four", "Five", "Six"][n] || String(n);
  const say = (text) => { find(".said").textContent = text; };

  function rescale() {
    let low = GROUND[0] + 0.3; // room to dig, so that the scale seldom changes under the hand
    for (const e of state.solved.energy) low = Math.min(low, e);
    state.range = [low - 0.3, GROUND[1]];
  }

  // Where the widest gap between wells is: a new one goes there.
  function gap() {
    const places = [lim.centres[0] - 1, ...state.setting.wells.map((w) => w[0]).sort((a, b) => a - b), lim.centres[1] + 1];
    let best = 0;
    for (let i = 1; i < places.length; i++) if (places[i] - places[i - 1] > places[best + 1] - places[best]) best = i - 1;
    return (places[best] + places[best + 1]) / 2;
  }

  // --- handles ---
  function depthAt(index, at, value) { // the depth with which the curve passes through (at, value)
    const others = state.setting.wells.filter((_, i) => i !== index);
    return energyAt(at, others, lim) - value;
  }

  function rebuild() {
    handles.forEach((h) => h.remove());
    handles = state.setting.wells.map((_, index) => {
      const handle = el("div", { class: "handle", role: "slider", tabindex: "0", "aria-label": `Well ${index + 1}`,
        "aria-describedby": "wells-keys", "aria-valuemin": lim.centres[0], "aria-valuemax": lim.centres[1],
        onfocus: () => choose(index), onkeydown: (event) => key(event, index) }, el("i"));
      let grip = null;
      handle.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        const [x, y] = pointerIn(event, plots[0]), well = state.setting.wells[index];
        grip = { dx: x - panels[0].x(well[0]), dy: y - panels[0].y(energyAt(well[0], state.setting.wells, lim)) };
        handle.setPointerCapture(event.pointerId);
        held = true;
        handle.focus({ preventScroll: true });
        handle.classList.add("held");
        event.preventDefault();
      });
      handle.addEventListener("pointermove", (event) => {
        if (!grip) return;
        const [x, y] = pointerIn(event, plots[0]);
        const at = clampTo(panels[0].placeAt(x - grip.dx), lim.centres);
        set(index, [at, depthAt(index, at, panels[0].valueAt(y - grip.dy))]);
      });
      const release = () => {
        if (!grip) return;
        grip = null;
        held = false;
        handle.classList.remove("held");
        changed();
      };
      for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) handle.addEventListener(name, release);
      plots[0].append(handle);
      return handle;
    });
    tabs.replaceChildren(...state.setting.wells.map((_, index) => el("button", { type: "button", class: "tab",
      text: String(index + 1), "aria-label": `Choose well ${index + 1}`, onclick: () => choose(index) })));
    choose(chosen);
  }

  function choose(index) {
    chosen = clamp(index, 0, Math.max(0, state.setting.wells.length - 1));
    handles.forEach((h, i) => h.classList.toggle("chosen", i === chosen));
    [...tabs.children].forEach((t, i) => t.setAttribute("aria-pressed", String(i === chosen)));
    if (state.solved) words();
  }

  function key(event, index) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [place, depth, width] = state.setting.wells[index], step = event.shiftKey ? 0.5 : 0.1;
    const moves = {
      ArrowLeft: [place - step], ArrowRight: [place + step], ArrowUp: [undefined, depth - step], ArrowDown: [undefined, depth + step],
      PageUp: [undefined, undefined, width + 0.1], PageDown: [undefined, undefined, width - 0.1], Home: [lim.centres[0]], End: [lim.centres[1]],
    };
    if (event.key === "Delete" || event.key === "Backspace") remove();
    else if (moves[event.key]) set(index, moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  let down = null; // empty ground: a press that does not move adds a well there
  plots[0].addEventListener("pointerdown", (event) => { down = event.target === panels[0].canvas && !event.button ? [event.clientX, event.clientY] : null; });
  plots[0].addEventListener("click", (event) => {
    if (event.target !== panels[0].canvas || !down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 6) return;
    const [x, y] = pointerIn(event, plots[0]), at = panels[0].placeAt(x);
    if (Math.abs(at) > lim.box) return;
    const dip = depthAt(-1, at, panels[0].valueAt(y));
    add(at, dip >= 0.3 ? dip : 2);
  });

  // --- controls ---
  const heat = find(".heat input"), bars = find(".bars input"), tabs = find(".tabs"), addButton = find(".add"), play = find(".play");
  const scale = (t) => Math.round(100 * Math.log10(t)); // the slider's hundredths of a decade
  heat.min = scale(lim.temperatures[0]);
  heat.max = scale(lim.temperatures[1]);
  heat.oninput = () => {
    state.setting.temperature = +clamp(10 ** (+heat.value / 100), ...lim.temperatures).toPrecision(3);
    changed();
  };
  bars.oninput = () => changed({ quiet: true });
  addButton.onclick = () => add(gap());
  find(".remove").onclick = remove;
  find(".reset").onclick = () => {
    state.setting = copied({ temperature: 1, wells: data.start });
    chosen = 0;
    rebuild();
    changed();
    say("The wells are as they were.");
  };
  play.onclick = () => { playing = !playing; if (playing) run(); words(); };
  const sliders = FIELDS.map(({ name, limits, step }, k) => {
    const input = find(`.${name} input`);
    [input.min, input.max] = lim[limits];
    input.step = step;
    input.oninput = () => { const values = []; values[k] = +input.value; set(chosen, values); };
    return input;
  });

  function fill(input, value, text) {
    if (+input.value !== value) input.value = value;
    input.style.setProperty("--done", `${(100 * (clamp(value, +input.min, +input.max) - input.min)) / (input.max - input.min)}%`);
    input.setAttribute("aria-valuetext", text);
    input.parentElement.querySelector(".value").textContent = text;
  }

  // --- words ---
  function words() {
    const { setting, solved, bars: sum } = state, wells = setting.wells, any = wells.length > 0;
    const t = setting.temperature;
    fill(heat, scale(t), number(+t.toPrecision(3)));
    fill(bars, +bars.value, bars.value);
    sliders.forEach((input, k) => {
      input.disabled = !any;
      if (any) fill(input, wells[chosen][k], signed(wells[chosen][k]));
    });
    find(".remove").disabled = !any;
    addButton.disabled = wells.length >= lim.most;
    handles.forEach((handle, i) => {
      const [m, d, s] = wells[i];
      handle.setAttribute("aria-valuenow", m);
      handle.setAttribute("aria-valuetext", `place ${signed(m)}, depth ${signed(d)}, width ${signed(s)}; ${share(holding(m))} of the probability`);
    });
    find(".sum").replaceChildren(
      `${sum.heights.length} bars, each ${number(sum.width, 2)} wide, add up to ${digits(sum.sum)}. The area below the curve is `,
      el("b", {}, el("i", { text: "Z" }), ` = ${digits(solved.partition)}`), ".");
    const names = solved.shares.length === 1 ? "One basin holds it all"
      : solved.shares.map((s, i) => `${side(i, solved.shares.length)} ${share(s)}`).join(", ");
    find(".split").textContent = `${names[0].toUpperCase()}${names.slice(1)}. Mean energy ${signed(solved.mean)}.`;
    panels[0].canvas.parentElement.parentElement.setAttribute("aria-label", `Energy over x, from −6 to 6: ` +
      (any ? wells.map(([m, d, s], i) => `well ${i + 1} at ${signed(m)}, ${signed(d)} deep, ${signed(s)} wide`).join("; ") : "a bowl without wells"));
    plots[1].parentElement.setAttribute("aria-label", `Boltzmann weight over x: at most ${digits(solved.most, 3)}, area ${digits(solved.partition)}`);
    plots[2].parentElement.setAttribute("aria-label", `Probability over x: ${names}`);
    play.textContent = playing ? "Pause the crowd" : "Let the crowd move";
    play.setAttribute("aria-pressed", String(playing));
    count();
  }

  function holding(m) { return state.solved.shares[state.solved.tops.filter((top) => top < m).length]; }
  const side = (i, n) => (n === 2 ? ["left", "right"] : n === 3 ? ["left", "middle", "right"] : Array.from({ length: n }, (_, k) => `basin ${k + 1}`))[i];

  // The crowd's own numbers: when it moves, a running mean of about a second, so that they can be read.
  function count() {
    const now = state.crowd.seen(state.setting, state.solved.tops);
    if (!smooth || !playing || smooth.shares.length !== now.shares.length) smooth = now;
    else {
      smooth.shares = smooth.shares.map((s, i) => s + 0.03 * (now.shares[i] - s));
      smooth.mean += 0.03 * (now.mean - smooth.mean);
    }
    const split = smooth.shares.length === 1 ? "all of it" : smooth.shares.map((s) => share(s)).join(", ");
    find(".count").textContent = `Crowd of ${CROWD}: ${split}. Mean energy ${signed(smooth.mean)}.`;
  }

  // --- painting ---
  function paint() {
    if (!look || !plots[0].clientWidth) return;
    paintEnergy(panels[0], state, look);
    paintWeight(panels[1], state, look);
    paintProbability(panels[2], state, look);
    handles.forEach((handle, i) => {
      const m = state.setting.wells[i][0];
      handle.style.transform = `translate(${panels[0].x(m)}px, ${panels[0].y(energyAt(m, state.setting.wells, lim))}px)`;
    });
    host.dataset.frames = ++painted;
  }
  let painted = 0, since = 0;

  function run() { if (!frame) frame = requestAnimationFrame(tick); }
  function tick(now) {
    frame = 0;
    if (!playing || !seen) return;
    state.crowd.step(state.setting, SWEEPS);
    if (now - since > 30) { count(); since = now; }
    paint();
    run();
  }

  function dress() {
    look = { colours: coloursOf(isDark(host)), font: getComputedStyle(host).fontFamily || "sans-serif" };
    for (const [name, value] of Object.entries(PALETTE[look.colours.dark ? "dark" : "light"])) host.style.setProperty(`--c-${name}`, value);
    paint();
  }

  rebuild();
  changed({ quiet: true });
  if (still.matches) state.crowd.step(state.setting, 500);
  const sizes = new ResizeObserver(paint);
  plots.forEach((plot) => sizes.observe(plot));
  const watch = new IntersectionObserver((entries) => { seen = entries.some((e) => e.isIntersecting); if (seen && playing) run(); });
  watch.observe(host);
  const forget = onTheme(host, dress);
  dress();
  host.dataset.ready = "yes";
  host.dataset.told = "yes";

  return { state, receive(setState) { send = setState; }, stop() { playing = false; cancelAnimationFrame(frame); clearTimeout(timer); sizes.disconnect(); watch.disconnect(); forget(); } };
}

const copied = ({ temperature, wells }) => ({ temperature, wells: wells.map((well) => [...well]) });

export default function (component) {
  const host = component.parentElement.querySelector(".wells");
  host.wells ||= makeWells(host, component.data);
  host.wells.receive(component.setStateValue);
  return () => setTimeout(() => { if (!host.isConnected) host.wells.stop(); });
}
