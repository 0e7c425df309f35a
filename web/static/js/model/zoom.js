// @ts-check

/**
 * The part of a time axis that the reader looks at.
 *
 * @typedef {object} Zoom
 * @property {number} from In milliseconds since the epoch.
 * @property {number} to
 * @property {boolean} newest Whether it ended with the axis: it then moves on with the present.
 */

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
 * Returns what is looked at when the axis has moved on: the same times for as long as there are any of them, or the newest.
 *
 * @param {Zoom} zoom
 * @param {number} min The axis's.
 * @param {number} max
 * @returns {Zoom | null} Null when nothing of it is left.
 */
export function moveZoom(zoom, min, max) {
  const by = zoom.newest ? max - zoom.to : 0;
  const moved = { ...zoom, from: Math.max(min, zoom.from + by), to: Math.min(max, zoom.to + by) };
  return moved.to > moved.from ? moved : null;
}
