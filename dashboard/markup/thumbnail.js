// One picture of a run. The markup is our own: shapes and numbers, never a word from a plugin.
export default function ({ parentElement, data, setTriggerValue }) {
  const frame = parentElement.querySelector(".thumb");
  frame.setAttribute("aria-label", data.alt);
  frame.onclick = () => setTriggerValue("opened", true);
  if (frame.dataset.state === data.state) return;
  frame.dataset.state = data.state;
  frame.className = "thumb " + data.state;
  if (data.state === "ready") frame.innerHTML = data.svg;
  else frame.textContent = data.state === "failed" ? "No picture" : "";
}
