// The moment that each stage of the page shows, for whatever else marks it: told in the browser, never by way of Python.
const MOMENTS = (window.__ebmMoments ||= new Map()); // a stage's key → { steps, at, owner, go(step) }

function tellMoment(key, moment) {
  MOMENTS.set(key, moment);
  window.dispatchEvent(new CustomEvent("ebm:moment", { detail: key }));
}

// A stage that has gone takes back what it said, unless the one after it has spoken.
function forgetMoment(key, owner) {
  if (!MOMENTS.has(key) || MOMENTS.get(key).owner !== owner) return;
  MOMENTS.delete(key);
  window.dispatchEvent(new CustomEvent("ebm:moment", { detail: key }));
}
