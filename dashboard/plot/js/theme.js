// Light or dark is read from the page, never asked of Python: a theme switch does not rerun the script.
function luminance(colour) {
  const c = document.createElement("canvas").getContext("2d");
  c.fillStyle = colour || "#fff";
  const hex = c.fillStyle;
  const n = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
  return 0.2126 * n[0] + 0.7152 * n[1] + 0.0722 * n[2];
}

function isDark(element) {
  return luminance(getComputedStyle(element).getPropertyValue("--st-background-color").trim()) < 0.4;
}

function coloursOf(dark) {
  const name = dark ? "dark" : "light";
  return { ...PALETTE[name], dark, energyScale: PALETTE.energy[name], categories: PALETTE.categories[name] };
}

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function alpha(hex, opacity) {
  return `rgba(${channels(hex).join(",")},${opacity})`;
}

// Calls back when the colours around the element change: Streamlit swaps a class on an ancestor.
function onTheme(element, callback) {
  let was = isDark(element);
  const look = () => {
    const now = isDark(element);
    if (now !== was) { was = now; callback(now); }
  };
  const observer = new MutationObserver(look);
  for (let node = element; node; node = node.parentElement || (node.getRootNode() || {}).host) {
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style"] });
  }
  return () => observer.disconnect();
}
