// Opens what envelope.py packed: JSON whose {"$a": [dtype, shape, offset]} entries become typed arrays.
const ARRAYS = { f4: Float32Array, i2: Int16Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array };

function openEnvelope(bytes) {
  const whole = bytes.slice().buffer; // a copy that starts at a multiple of 8
  const length = new DataView(whole).getUint32(0, true);
  const start = 4 + length;
  const revive = (key, value) => {
    if (!value || !value.$a) return value;
    const [kind, shape, offset] = value.$a;
    const count = shape.reduce((a, b) => a * b, 1);
    const array = new ARRAYS[kind](whole, start + offset, count);
    array.shape = shape;
    return array;
  };
  return JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)), revive);
}

// The rows of an array of two axes, without copying; an array of one axis as it is.
function rows(array) {
  if (!array.shape || array.shape.length < 2) return array;
  const [n, m] = array.shape;
  return Array.from({ length: n }, (_, i) => array.subarray(i * m, (i + 1) * m));
}
