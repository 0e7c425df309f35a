// @ts-check
import { spanUnits } from './rule-form.js';

/** @typedef {import('./rule-form.js').TypedSpan} TypedSpan */

/**
 * A time as it is typed, in the largest unit in which it is a whole number.
 *
 * @param {number} seconds
 * @returns {TypedSpan}
 */
export function typedDuration(seconds) {
  const unit = [...spanUnits].reverse().find((one) => seconds > 0 && seconds % one === 0) ?? 1;
  return { text: String(Number((seconds / unit).toPrecision(12))), unit };
}

/**
 * Reads a time; NaN if it is none. Nothing is 0.
 *
 * @param {TypedSpan} typed
 */
export function readDuration({ text, unit }) {
  const value = Number(text.trim());
  return Number.isFinite(value) ? Number((value * unit).toPrecision(15)) : NaN;
}
