// Evaluations of the energy against the number of axes: on a grid, which is a power, and by a sampler, as measured.
const SUPER = (n) => String(n).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
const YEAR = 365.25 * 86400;

// 10^power in words: "2 001", "5.1 × 10²⁹".
function large(power) {
  if (power < 6) return number(+(10 ** power).toPrecision(4));
  const whole = Math.floor(power + 1e-12);
  return `${(10 ** (power - whole)).toFixed(1)} × 10${SUPER(whole)}`;
}

// So many seconds (their log10), said so that it can be grasped; from an age of the universe on, in those.
function lasting(power, age) {
  const ages = power - Math.log10(age);
  if (ages >= 0) return `${ages < 5 ? number(+(10 ** ages).toPrecision(ages < 2 ? 2 : 4)) : large(ages)} times the age of the universe`;
  const seconds = 10 ** power, units = [[1e-6, "µs"], [1e-3, "ms"], [1, "seconds"], [60, "minutes"], [3600, "hours"], [86400, "days"], [YEAR, "years"]];
  const [size, unit] = units.findLast(([s]) => seconds >= s) || units[0];
  const amount = seconds / size;
  return amount >= 1e6 ? `${number(amount)} ${unit}` : `${number(+amount.toPrecision(amount >= 100 ? 4 : 2))} ${unit}`;
}

function makeCost(host, data) {
  const input = host.querySelector("input"), output = host.querySelector(".value"), chart = host.querySelector(".chart");
  const last = +input.max, grid = (d, points) => d * Math.log10(points), rate = Math.log10(data.rate);
  const ages = Math.log10(data.age) + rate; // of evaluations, in the age of the universe

  // log10 of what the sampler pays; between two measured numbers on the straight line of logarithms.
  function sampler(d) {
    const at = data.measured.findLastIndex(([dim]) => dim <= d), [low, from] = data.measured[at];
    if (low === d) return Math.log10(from);
    const [high, to] = data.measured[at + 1], part = Math.log(d / low) / Math.log(high / low);
    return Math.log10(from) + part * Math.log10(to / from);
  }

  function show() {
    const d = +input.value, power = grid(d, data.points), paid = sampler(d), known = data.measured.some(([dim]) => dim === d);
    const name = data.names[d];
    output.textContent = name ? `${d}, ${name}` : `${d}`;
    input.setAttribute("aria-valuetext", output.textContent);
    input.style.setProperty("--done", `${(100 * (d - 1)) / (last - 1)}%`);
    const [one, two] = host.querySelectorAll(".said");
    const from = `${number(data.points)}${d > 1 ? SUPER(d) : ""}`;
    one.querySelector("b").textContent = `A grid: ${from}${d > 1 ? ` = ${large(power)}` : ""} evaluations`;
    one.querySelector("p").textContent = `At 10${SUPER(Math.round(rate))} a second: ${lasting(power - rate, data.age)}.`;
    two.querySelector("b").textContent = `A sampler: ${known ? "" : "about "}${number(+(10 ** paid).toPrecision(2))} evaluations`;
    two.querySelector("p").textContent = `At the same speed: ${lasting(paid - rate, data.age)}. ` +
      `${known ? "Measured" : "Between two measured numbers"}, for the mean energy to within ±\u00a0${data.error}.`;
    Object.assign(host.dataset, { d, grid: power, ages: power - ages, sampler: paid });
    draw(d);
  }

  function draw(d) {
    const width = chart.clientWidth, height = chart.clientHeight;
    if (!width) return;
    const pad = { left: 50, right: width < 420 ? 16 : 120, top: 14, bottom: 40 }, top = Math.ceil(grid(last, data.points) / 50) * 50;
    const x = (dim) => pad.left + ((dim - 1) / (last - 1)) * (width - pad.left - pad.right);
    const y = (power) => height - pad.bottom - (power / top) * (height - pad.top - pad.bottom);
    const image = svg("svg", { width, height, "aria-hidden": "true" });
    for (let power = 0; power <= top; power += 50) {
      image.append(svg("line", { class: "rule", x1: pad.left, x2: width - pad.right, y1: y(power), y2: y(power) }),
        svg("text", { class: "tick", x: pad.left - 8, y: y(power) + 4, "text-anchor": "end" }, power ? `10${SUPER(power)}` : "1"));
    }
    for (const dim of [1, 9, 16, 25, 36, 49, 64]) {
      image.append(svg("text", { class: "tick", x: x(dim), y: height - pad.bottom + 18, "text-anchor": "middle" }, String(dim)));
    }
    image.append(svg("text", { class: "tick", x: (pad.left + width - pad.right) / 2, y: height - 4, "text-anchor": "middle" }, "axes d"));
    const line = (f, name) => svg("path", { class: name, d: Array.from({ length: last }, (_, i) => `${i ? "L" : "M"}${x(i + 1)},${y(f(i + 1))}`).join("") });
    image.append(svg("line", { class: "limit", x1: pad.left, x2: width - pad.right, y1: y(ages), y2: y(ages) }),
      svg("text", { class: "note", x: width - pad.right - 4, y: y(ages) + 14, "text-anchor": "end" },
        width < 420 ? "the age of the universe" : "all that fits into the age of the universe"),
      line((dim) => grid(dim, data.few), "few"), line((dim) => grid(dim, data.points), "curve"), line(sampler, "paid"));
    for (const [dim, paid] of data.measured) image.append(svg("circle", { class: "paid", cx: x(dim), cy: y(Math.log10(paid)), r: 2.5 }));
    const end = width < 420 ? { x: x(44), anchor: "end" } : { x: width - pad.right + 8, anchor: "start" };
    const label = (f, name, text) => {
      const at = width < 420 ? y(f(46)) - 4 : y(f(last)) + 4;
      image.append(svg("text", { class: `label ${name}`, x: end.x, y: at, "text-anchor": end.anchor }, text));
    };
    label((dim) => grid(dim, data.points), "curve", `${number(data.points)} an axis`);
    label((dim) => grid(dim, data.few), "few", `${data.few} an axis`);
    if (width >= 420) label(sampler, "paid", "sampler");
    else image.append(svg("text", { class: "label paid", x: x(11), y: y(sampler(11)) - 5 }, "sampler"));
    image.append(svg("line", { class: "cursor", x1: x(d), x2: x(d), y1: pad.top, y2: height - pad.bottom }),
      svg("circle", { class: "at curve", cx: x(d), cy: y(grid(d, data.points)), r: 5.5 }),
      svg("circle", { class: "at paid", cx: x(d), cy: y(sampler(d)), r: 5.5 }));
    chart.replaceChildren(image);
    chart.setAttribute("aria-label", `Evaluations against axes. At ${d}: on a grid ${large(grid(d, data.points))}, by a sampler ${number(+(10 ** sampler(d)).toPrecision(2))}.`);
  }

  function dress() {
    const dark = isDark(host);
    for (const [name, value] of Object.entries(PALETTE[dark ? "dark" : "light"])) host.style.setProperty(`--c-${name}`, value);
  }

  input.addEventListener("input", show);
  const sizes = new ResizeObserver(() => draw(+input.value));
  sizes.observe(chart);
  const forget = onTheme(host, dress);
  dress();
  show();
  host.dataset.ready = "yes";
  return { stop() { sizes.disconnect(); forget(); } };
}

export default function (component) {
  const host = component.parentElement.querySelector(".cost");
  host.cost ||= makeCost(host, component.data);
  return () => setTimeout(() => { if (!host.isConnected) host.cost.stop(); });
}
