// Columns of numbers, as `columns.py` packs them: base64 of deflated byte planes, lowest plane first.

/** @typedef {{name: string, count: number, width: number, text: string}} Packed */

/**
 * @param {string} text base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(text) {
  const quick = /** @type {{fromBase64?: (text: string) => Uint8Array<ArrayBuffer>}} */ (/** @type {unknown} */ (Uint8Array));
  if (quick.fromBase64) return quick.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/**
 * The numbers of a column, none of which is negative.
 * @param {Packed} packed
 * @returns {Promise<Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>} 64-bit floats (exact to 2^53) if the column is wider than 4 bytes
 */
export async function unpack({ count, width, text }) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (planes.length !== count * width) throw new Error("the page is cut or was changed: a column has the wrong length");
  return width > 4 ? wide(planes, count, width) : narrow(planes, count, width);
}

/**
 * @param {Uint8Array} planes
 * @param {number} count
 * @param {number} width
 */
function narrow(planes, count, width) {
  const numbers = new Uint32Array(count);
  for (let plane = 0; plane < width; plane++) {
    const from = plane * count;
    for (let i = 0; i < count; i++) numbers[i] |= planes[from + i] << (8 * plane);
  }
  return numbers;
}

/**
 * @param {Uint8Array} planes
 * @param {number} count
 * @param {number} width
 */
function wide(planes, count, width) {
  const numbers = new Float64Array(count);
  for (let plane = 0, unit = 1; plane < width; plane++, unit *= 256) {
    const from = plane * count;
    for (let i = 0; i < count; i++) numbers[i] += planes[from + i] * unit;
  }
  return numbers;
}

/**
 * Back from zigzag: 0, 1, 2, 3 are 0, -1, 1, -2.
 * @param {number} number
 */
export function unzigzag(number) {
  return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
}
