// @ts-check

/** Values further from zero are drawn here: an axis computes with sums and differences of its ends, which have to be finite. */
export const furthest = 1e306;

/**
 * Returns where a chart draws a value. Only the drawing is bounded: what the page says in words is the value itself.
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
