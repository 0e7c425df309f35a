// @ts-check

/** The largest value that is drawn: an axis computes sums and differences of its ends, which must be finite. */
export const furthest = 1e306;

/**
 * Returns where a chart draws a value. Only the drawing is limited: the page writes the value itself.
 *
 * @template {number | null} T
 * @param {T} value
 * @returns {T | number}
 */
export function drawable(value) {
  return value === null ? value : Math.max(-furthest, Math.min(furthest, Number(value)));
}

/**
 * Returns the height of the band between two values, null where there is none.
 *
 * @param {{min: number | null, max: number | null}} point
 */
export function bandHeight({ min, max }) {
  return max === null || min === null ? null : Number(drawable(max)) - Number(drawable(min));
}
