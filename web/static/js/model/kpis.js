// @ts-check

/**
 * The key figures of alarm management, as GET /api/v1/alerts/kpis answers them.
 *
 * @typedef {object} Kpis
 * @property {string} from
 * @property {string} to
 * @property {number} operators
 * @property {boolean} [truncated]
 * @property {string} counted_until
 * @property {string} averaged_until
 * @property {number} alerts
 * @property {number} suppressed
 * @property {number} per_day
 * @property {number} per_hour
 * @property {number} per_10_minutes
 * @property {number} peak_10_minutes
 * @property {string} [peak_at]
 * @property {number} busy_10_minutes_percent
 * @property {number} busy_hours_percent
 * @property {number} flood_percent
 * @property {number} floods
 * @property {number} most_percent
 * @property {{alert_type: string, device_id: string, alerts: number, chattering?: boolean}[]} most
 * @property {number} chattering
 * @property {number} fleeting
 * @property {number} stale
 * @property {{critical_percent: number, warning_percent: number, info_percent: number}} priorities
 * @property {number} acknowledged
 * @property {number} acknowledge_median_seconds
 * @property {number} acknowledge_late_seconds
 * @property {Record<string, number>} targets
 * @property {number} step_seconds
 * @property {number[]} series
 *
 * @typedef {'per_day' | 'per_hour' | 'per_10_minutes' | 'peak_10_minutes' | 'busy_10_minutes_percent' | 'busy_hours_percent' | 'flood_percent' |
 *   'most_percent' | 'chattering' | 'fleeting' | 'stale' | 'critical_percent' | 'warning_percent'} FigureName
 *
 * @typedef {object} Figure A figure beside its target.
 * @property {FigureName} name
 * @property {number} value
 * @property {number} target
 * @property {boolean} percent
 * @property {boolean} met Whether it is acceptable.
 */

/** The figures that have targets, in the order of the table. @type {readonly FigureName[]} */
const names = [
  'per_day', 'per_hour', 'per_10_minutes', 'peak_10_minutes', 'busy_10_minutes_percent', 'busy_hours_percent', 'flood_percent', 'most_percent',
  'chattering', 'fleeting', 'stale', 'critical_percent', 'warning_percent',
];

/**
 * The figures beside their targets.
 *
 * @param {Kpis} kpis
 * @returns {Figure[]}
 */
export function figures(kpis) {
  /** @type {Record<string, unknown>} */
  const all = { ...kpis, ...kpis.priorities };
  return names.map((name) => {
    const value = Number(all[name]);
    const target = kpis.targets[name] ?? 0;
    return { name, value, target, percent: name.endsWith('_percent'), met: value <= target };
  });
}

/** The spans that can be chosen, in days. */
export const spans = [1, 7, 30];

/** The span of a page that was opened without one: the standards ask for at least so many days. */
export const usualSpan = 30;
