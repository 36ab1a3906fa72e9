// Energy and probability on a line, as in ebm_plugins/wells1d.py: the same rule on the same points, so the same digits.
// A setting is { temperature, wells: [[centre, depth, width], ...] }; `lim` is what wells1d calls by the same names.

function energyAt(x, wells, lim) {
  let e = lim.bowl * x * x;
  for (const [m, d, s] of wells) { const away = (x - m) / s; e -= d * Math.exp((-away * away) / 2); }
  return e;
}

function slopeAt(x, wells, lim) {
  let slope = 2 * lim.bowl * x;
  for (const [m, d, s] of wells) { const away = (x - m) / s; slope += ((d * away) / s) * Math.exp((-away * away) / 2); }
  return slope;
}

// Simpson's rule for f on `points` evenly spaced places (an odd number).
function simpson(f, low, high, points) {
  const step = (high - low) / (points - 1);
  let total = f(low) + f(high);
  for (let i = 1; i < points - 1; i++) total += (i % 2 ? 4 : 2) * f(low + step * i);
  return (total * step) / 3;
}

function solveWells({ temperature, wells }, lim) {
  const { box, points } = lim, n = points, step = (2 * box) / (n - 1);
  const x = new Float64Array(n), energy = new Float64Array(n), weight = new Float64Array(n);
  let total = 0, product = 0, most = 0, before = false;
  const tops = [], bottoms = [];
  for (let i = 0; i < n; i++) {
    x[i] = -box + step * i;
    energy[i] = energyAt(x[i], wells, lim);
    weight[i] = Math.exp(-energy[i] / temperature);
    most = Math.max(most, weight[i]);
    const share = i === 0 || i === n - 1 ? 1 : i % 2 ? 4 : 2;
    total += share * weight[i];
    product += share * weight[i] * energy[i];
    const rising = slopeAt(x[i], wells, lim) > 0;
    if (i && rising !== before) (rising ? bottoms : tops).push(turn(x[i - 1], x[i], wells, lim));
    before = rising;
  }
  const edges = [-box, ...tops, box], weightAt = (at) => Math.exp(-energyAt(at, wells, lim) / temperature);
  const basins = edges.slice(1).map((high, i) => simpson(weightAt, edges[i], high, lim.basin_points));
  const all = basins.reduce((a, b) => a + b, 0);
  return { x, energy, weight, most, partition: (total * step) / 3, mean: product / total, tops, bottoms,
    shares: basins.map((b) => b / all) };
}

// Where the slope changes its sign between low and high.
function turn(low, high, wells, lim) {
  const sign = slopeAt(low, wells, lim) > 0;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (slopeAt(middle, wells, lim) > 0 === sign) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

// The sum of `count` bars of equal width, each as high as the weight in its middle.
function barsOf({ temperature, wells }, count, lim) {
  const width = (2 * lim.box) / count;
  const heights = Array.from({ length: count }, (_, i) =>
    Math.exp(-energyAt(-lim.box + width * (i + 0.5), wells, lim) / temperature));
  return { width, heights, sum: width * heights.reduce((a, b) => a + b, 0) };
}

// A crowd that follows exp(−E/T) by Metropolis' rule. Mostly a walker asks for a place nearby, sometimes for any in the
// box: both are as likely one way as back, so Metropolis' rule needs nothing else. `level` (0 to 1) is how far up the
// curve of p a walker is drawn; it wanders too, and stays uniform, so the crowd fills the area below p evenly.
const NEAR = 0.3, ANYWHERE = 0.25;

function makeCrowd(count, lim) {
  const x = Float64Array.from({ length: count }, (_, i) => -lim.box + (2 * lim.box * (i + 0.5)) / count);
  const golden = (Math.sqrt(5) - 1) / 2, level = Float64Array.from({ length: count }, (_, i) => (i * golden) % 1);
  const fold = (v) => { const w = Math.abs(v) % 2; return w > 1 ? 2 - w : w; }; // reflected at 0 and 1
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return {
    x, level,
    step({ temperature, wells }, sweeps) {
      for (let k = 0; k < sweeps; k++) for (let i = 0; i < count; i++) {
        const there = Math.random() < ANYWHERE ? lim.box * (2 * Math.random() - 1) : x[i] + NEAR * normal();
        if (Math.abs(there) <= lim.box) {
          const more = energyAt(there, wells, lim) - energyAt(x[i], wells, lim);
          if (more <= 0 || Math.random() < Math.exp(-more / temperature)) x[i] = there;
        }
        level[i] = fold(level[i] + 0.02 * normal());
      }
    },
    // What share of the crowd is in each basin, and its mean energy.
    seen({ wells }, tops) {
      const shares = new Array(tops.length + 1).fill(0);
      let mean = 0;
      for (const at of x) {
        shares[tops.filter((t) => t < at).length] += 1 / count;
        mean += energyAt(at, wells, lim) / count;
      }
      return { shares, mean };
    },
  };
}
