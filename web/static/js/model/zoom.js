// @ts-check

/**
 * The part of a time axis that the reader looks at.
 *
 * @typedef {object} Zoom
 * @property {number} from In milliseconds since the epoch.
 * @property {number} to
 * @property {boolean} newest Whether it ended with the axis: it then moves on with the present.
 *
 * @typedef {{min: number, max: number}} Bounds The ends of the axis, in milliseconds since the epoch.
 */

/** Zooming by keys shows at least this part of the axis. */
const smallest = 1 / 50;

/**
 * Returns what a chart's zoom shows, null for everything.
 *
 * @param {{start?: number, end?: number, startValue?: number, endValue?: number} | undefined} zoom Shares in percent, and the times.
 * @returns {Zoom | null}
 */
export function zoomOf({ start = 0, end = 100, startValue, endValue } = {}) {
  if ((start < 0.1 && end > 99.9) || startValue === undefined || endValue === undefined) return null;
  return { from: startValue, to: endValue, newest: end > 99.9 };
}

/**
 * Returns the zoom after the axis has moved on: the same times, or the same length up to the present if it showed the present.
 *
 * @param {Zoom} zoom
 * @param {Bounds} bounds
 * @returns {Zoom}
 */
export function moveZoom(zoom, { max }) {
  return zoom.newest ? { ...zoom, from: zoom.from + max - zoom.to, to: max } : zoom;
}

/**
 * Returns the part of a zoom that lies on an axis, null if none does.
 *
 * @param {Zoom} zoom
 * @param {Bounds} bounds
 * @returns {Zoom | null}
 */
export function clipZoom(zoom, { min, max }) {
  const clipped = { ...zoom, from: Math.max(min, zoom.from), to: Math.min(max, zoom.to) };
  return clipped.to > clipped.from ? clipped : null;
}

/**
 * Returns a zoom that shows more or less time around a moment, which stays where it is in the chart.
 *
 * @param {Zoom | null} zoom
 * @param {Bounds} bounds
 * @param {number} factor How much of what is shown now: 0.5 for half of it.
 * @param {number} [at] The moment; without one, the newest that is shown if that is the present, or else the middle.
 * @returns {Zoom | null} Null for the whole axis.
 */
export function zoomBy(zoom, { min, max }, factor, at) {
  const { from, to, newest } = zoom ?? { from: min, to: max, newest: true };
  const length = Math.max((to - from) * factor, (max - min) * smallest);
  if (length >= max - min) return null;
  const center = at ?? (newest ? to : (from + to) / 2);
  const start = center - ((center - from) / (to - from)) * length;
  return shifted({ from: start, to: start + length }, { min, max }, 0);
}

/**
 * Returns a zoom of the same length that shows a moment, moved by no more than it takes: the same one if it does already.
 *
 * @param {Zoom} zoom
 * @param {Bounds} bounds
 * @param {number} at
 * @returns {Zoom}
 */
export function zoomOnto(zoom, bounds, at) {
  if (at < zoom.from) return shifted(zoom, bounds, at - zoom.from);
  return at > zoom.to ? shifted(zoom, bounds, at - zoom.to) : zoom;
}

/**
 * @param {{from: number, to: number}} zoom
 * @param {Bounds} bounds
 * @param {number} by
 * @returns {Zoom}
 */
function shifted({ from, to }, { min, max }, by) {
  const start = Math.max(min, Math.min(from + by, max - (to - from)));
  const end = start + to - from;
  return { from: start, to: end, newest: end >= max };
}
