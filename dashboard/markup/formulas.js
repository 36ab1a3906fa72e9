// Elements, and text that holds formulas between dollar signs: what the table and the timeline write with.
function element(tag, name, role) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (role) made.setAttribute("role", role);
  return made;
}

// "the sum $Z$ is" as text and formulas; a lone dollar sign is a dollar sign.
function write(into, text, formulas) {
  const parts = text.split("$");
  if (parts.length % 2 === 0) { into.append(text); return; }
  parts.forEach((part, i) => {
    if (!part) return;
    if (i % 2 === 0) { into.append(part); return; }
    const formula = element("span", "formula awaited");
    formula.textContent = part;
    into.append(formula);
    formulas.push([formula, part]);
  });
}

// Formulas are drawn by the renderer that draws those of the page's own text (rehype-katex), so that they look alike
// and need no other style sheet. It turns <code class="math-inline"> of a syntax tree into KaTeX's elements.
async function render(formulas, url) {
  try {
    const transform = (await import(new URL(url, document.baseURI).href)).default({ maxExpand: 200, maxSize: 20 });
    for (const [into, tex] of formulas) {
      const math = { type: "element", tagName: "code", properties: { className: ["math-inline"] },
        children: [{ type: "text", value: tex }] };
      const tree = { type: "root", children: [math] };
      transform(tree, { message() {} });
      into.replaceChildren(...tree.children.map((child) => made(child, XHTML)));
      into.className = "formula drawn";
    }
  } catch (error) { for (const [into] of formulas) into.classList.remove("awaited"); /* LaTeX can be read too */ }
}

const XHTML = "http://www.w3.org/1999/xhtml";
const SPACES = { svg: "http://www.w3.org/2000/svg", math: "http://www.w3.org/1998/Math/MathML" };
const NAMES = { className: "class", ariaHidden: "aria-hidden" };

function made(node, space) {
  if (node.type !== "element") return document.createTextNode(node.value ?? "");
  const here = SPACES[node.tagName] ?? space, out = document.createElementNS(here, node.tagName);
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    if (name !== "xmlns") out.setAttribute(NAMES[name] ?? name, Array.isArray(value) ? value.join(" ") : value);
  }
  out.append(...(node.children ?? []).map((child) => made(child, here)));
  return out;
}
