// Any other space: its states on two axes. The plane's drawing, without energy and marginals.
const makeScatter = makePlane;
