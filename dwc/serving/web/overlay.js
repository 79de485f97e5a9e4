/** Maps over a picture. What strength and colour mean is the same as in the report's pages. */

export const HEAT = [224, 112, 26];
export const REWRITTEN = [141, 106, 159];
const FULL = [1.5, 4]; // times even: the bounds of what is drawn in full colour
const OPACITY = 0.78; // where a map is strongest

/** The strongest region of a map of shares, in times an even share. */
export const peak = (map) => Math.max(...map.flat()) * map.flat().length;

/** What is drawn in full colour, times even: the strongest of all maps, within bounds. */
export const fullColour = (maps) => Math.min(Math.max(FULL[0], ...maps.map(peak)), FULL[1]);

/** How far each region's share lies above an even one: 0 = even or less, 1 = `full` times even or more. */
export function aboveEven(map, full) {
  const regions = map.flat().length;
  return map.map((row) => row.map((share) => within((share * regions - 1) / (full - 1))));
}

/** The map stretched from its least to its largest value, because the differences are what is told. */
export function stretched(map) {
  const [low, high] = extremes(map);
  return map.map((row) => row.map((share) => (share - low) / (high - low || 1)));
}

/** Least and largest value of a map. */
export const extremes = (map) => [Math.min(...map.flat()), Math.max(...map.flat())];

/** Draw a map's strengths, 0 to 1, in one colour and smoothly; null leaves the picture as it is. */
export function draw(canvas, strength, [red, green, blue] = HEAT) {
  const { width, height } = canvas;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  if (!strength) return;
  const image = pen.createImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const value = between(strength, (y + 0.5) / height, (x + 0.5) / width);
      image.data.set([red, green, blue, 255 * OPACITY * value], 4 * (y * width + x));
    }
  }
  pen.putImageData(image, 0, 0);
}

/** The value at a place (0 to 1 each way), between the centres of the regions around it. */
function between(map, down, across) {
  const [top, bottom, v] = around(down, map.length);
  const [left, right, h] = around(across, map[0].length);
  const upper = map[top][left] * (1 - h) + map[top][right] * h;
  const lower = map[bottom][left] * (1 - h) + map[bottom][right] * h;
  return upper * (1 - v) + lower * v;
}

function around(place, count) {
  const at = Math.min(Math.max(place * count - 0.5, 0), count - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, count - 1), at - first];
}

const within = (value) => Math.min(Math.max(value, 0), 1);
