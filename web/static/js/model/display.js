// @ts-check
import { comparesNothing } from './alerts.js';

/**
 * @typedef {import('./protocol.js').Alert} Alert
 * @typedef {import('./protocol.js').TypeSpec} TypeSpec
 *
 * @typedef {{unit: string, scale: number, offset: number}} Display The unit in which people want to see a device's values, if not that of its type,
 *   in which they are everywhere else: a value is shown as value * scale + offset.
 */

/** A value has no more decimals than these, whatever the unit. */
const mostDecimals = 9;

/**
 * Returns a value as it is shown.
 *
 * @param {number} value
 * @param {Display | undefined} display
 */
export function shownValue(value, display) {
  return display ? value * display.scale + display.offset : value;
}

/**
 * Returns the type of what is shown: with another unit, and with as many more or fewer decimals as that is larger or smaller, so that as much of
 * the value can be seen: 1013.7 hPa are 1.0137 bar.
 *
 * @param {TypeSpec | undefined} spec
 * @param {Display | undefined} display
 * @returns {TypeSpec | undefined}
 */
export function shownSpec(spec, display) {
  if (!spec || !display) return spec;
  const larger = Math.floor(Math.log10(Math.abs(display.scale)) + 1e-9);
  return { ...spec, unit: display.unit, decimals: Math.min(mostDecimals, Math.max(0, spec.decimals - larger)) };
}

/**
 * Returns an alert with its value and threshold as they are shown.
 *
 * @param {Alert} alert Of a rule that compares values with a threshold, or that compares nothing.
 * @param {Display | undefined} display
 * @returns {Alert}
 */
export function shownAlert(alert, display) {
  if (!display || comparesNothing(alert.alert_type)) return alert;
  return { ...alert, threshold: shownValue(alert.threshold, display), current_value: shownValue(alert.current_value, display) };
}

/**
 * @param {Display | undefined} a
 * @param {Display | undefined} b
 */
export function sameDisplay(a, b) {
  return a?.unit === b?.unit && a?.scale === b?.scale && a?.offset === b?.offset;
}
