// @ts-check

/**
 * @typedef {import('./windows.js').WindowPoint} WindowPoint
 *
 * @typedef {object} Range
 * @property {string} name
 * @property {number} seconds 0 for the live range, which is counted in points.
 */

/** How many windows the live range shows. */
export const livePoints = 50;

/** The approximate number of points to which a longer range is reduced. */
const wantedPoints = 150;

/** @type {readonly Range[]} */
export const ranges = [
  { name: 'live', seconds: 0 },
  { name: '5m', seconds: 300 },
  { name: '15m', seconds: 900 },
  { name: '30m', seconds: 1800 },
  { name: '1h', seconds: 3600 },
  { name: '6h', seconds: 6 * 3600 },
  { name: '12h', seconds: 12 * 3600 },
  { name: '24h', seconds: 24 * 3600 },
];

/** Lengths in seconds that people count in. */
const roundSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

/**
 * Returns the length in milliseconds of what a range shows: one window at least.
 *
 * @param {Range} range
 * @param {number} windowSeconds
 */
export function rangeLength(range, windowSeconds) {
  return Math.max(range.seconds || livePoints * windowSeconds, windowSeconds) * 1000;
}

/**
 * Returns the seconds that one point of a range covers: a whole number of windows.
 *
 * @param {Range} range
 * @param {number} windowSeconds
 */
export function rangeStep(range, windowSeconds) {
  if (range.seconds === 0) return windowSeconds;
  const least = Math.ceil(range.seconds / wantedPoints / windowSeconds) * windowSeconds;
  const round = roundSteps.find((step) => step >= least && step % windowSeconds === 0);
  return round !== undefined && round <= 2 * least ? round : least;
}

/**
 * Merges windows into longer ones that lie on the grid of step. The average is that of all readings.
 *
 * @param {WindowPoint[]} windows Oldest first.
 * @param {number} step In milliseconds.
 * @returns {WindowPoint[]}
 */
export function mergeWindows(windows, step) {
  /** @type {WindowPoint[]} */
  const merged = [];
  for (const window of windows) {
    const start = Math.floor(window.start / step) * step;
    const last = merged.at(-1);
    if (last?.start === start) merged[merged.length - 1] = mergeTwo(last, window);
    else merged.push({ ...window, start });
  }
  return merged;
}

/**
 * @param {WindowPoint} a
 * @param {WindowPoint} b
 * @returns {WindowPoint}
 */
function mergeTwo(a, b) {
  const both = { ...a, final: a.final && b.final, devices: Math.max(a.devices, b.devices) };
  if (b.count === 0) return both;
  if (a.count === 0) return { ...both, count: b.count, average: b.average, max: b.max, min: b.min };
  const count = a.count + b.count;
  const max = Math.max(Number(a.max), Number(b.max));
  const min = Math.min(Number(a.min), Number(b.min));
  const sum = Number(a.average) * a.count + Number(b.average) * b.count;
  // The sum of values near the largest there are is infinite; that of their shares is not.
  const average = Number.isFinite(sum) ? sum / count : Number(a.average) * (a.count / count) + Number(b.average) * (b.count / count);
  return { ...both, count, average: Math.max(min, Math.min(max, average)), max, min };
}

/**
 * Returns what a chart shows from archived and live windows: one point for each step of the range, oldest first, with empty
 * ones where nothing was read, so that a line has a gap there. Both sources may have a step in part: the archive is a second
 * behind, and the live messages begin at some moment. For a step that began before the live messages the archive counts, because
 * they have only the end of it; for any other, the source with more readings counts.
 *
 * @param {object} source
 * @param {WindowPoint[]} source.archived Of this step, in any order.
 * @param {WindowPoint[]} source.live Single windows, oldest first.
 * @param {number} source.since From when on the live ones are all that there are.
 * @param {number} source.length How much is shown, in milliseconds.
 * @param {number} source.step In milliseconds.
 * @param {number} source.now The server's time.
 * @returns {WindowPoint[]}
 */
export function chartPoints({ archived, live, since, length, step, now }) {
  /** @type {Map<number, WindowPoint>} */
  const known = new Map(archived.map((point) => [point.start, point]));
  for (const point of mergeWindows(live, step)) {
    const other = known.get(point.start);
    if (!other || (point.start >= since && point.count >= other.count)) known.set(point.start, point);
  }
  const last = Math.floor(now / step) * step;
  const points = [];
  // The window in progress is the last of the range, or not there yet.
  for (let n = Math.ceil(length / step) - 1; n >= 0; n--) {
    const start = last - n * step;
    points.push(known.get(start) ?? emptyPoint(start));
  }
  return points;
}

/**
 * Returns the points without the empty ones before the first that is not, as long as enough are left.
 *
 * @param {WindowPoint[]} points
 * @param {number} fewest
 */
export function withoutLead(points, fewest) {
  const first = points.findIndex((point) => point.count > 0);
  return points.slice(Math.max(0, Math.min(first, points.length - fewest)));
}

/**
 * @param {number} start
 * @returns {WindowPoint}
 */
function emptyPoint(start) {
  return { start, final: true, count: 0, average: null, max: null, min: null, devices: 0 };
}
