// One picture of a run. The markup is our own: shapes and numbers, never a word from a plugin.
export default function ({ parentElement, data }) {
  const picture = parentElement.querySelector(".picture"), line = parentElement.querySelector("line");
  picture.setAttribute("role", "img"); // here, not in the markup: before it has a name it is no picture
  picture.setAttribute("aria-label", data.alt);
  picture.style.setProperty("--shape", data.shape);
  line.style.stroke = `light-dark(${data.light}, ${data.dark})`;
  line.setAttribute("stroke-dasharray", data.dash);
  picture.classList.toggle("waiting", !data.svg);
  if (picture.dataset.svg === data.svg) return;
  picture.dataset.svg = data.svg;
  picture.innerHTML = data.svg;
}
