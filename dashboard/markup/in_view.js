// A lesson was opened: brings the stage into view when a reader has scrolled away from it, once for each opening.
export default function ({ data }) {
  if (window.lessonInView === data.opened) return;
  window.lessonInView = data.opened;
  requestAnimationFrame(() => {
    const stage = document.querySelector('[class*="host-"]');
    if (!stage) return;
    const { top } = stage.getBoundingClientRect();
    if (top >= 0 && top < innerHeight / 2) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    stage.style.scrollMarginTop = "72px"; // the bar of the navigation
    stage.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
  });
}
