// @ts-check
import { drawable } from '../model/drawable.js';
import { textSize } from './chart-style.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../model/thresholds.js').Threshold} Threshold
 * @typedef {import('../model/protocol.js').Severity} Severity
 * @typedef {import('../model/protocol.js').TypeSpec} TypeSpec
 * @typedef {import('./palette.js').Palette} Palette
 * @typedef {import('../locale/locale.js').Locale} Locale
 */

/** The lines of severities differ by their dashes as well, for those who see no colours. @type {Record<Severity, [number, number]>} */
const dashes = { critical: [9, 3], warning: [5, 4], info: [2, 3] };

/**
 * Returns the series of a chart that shows thresholds as dashed lines across it. Its points are not seen: they make the
 * axis reach as far as the lines do.
 *
 * @param {Threshold[]} thresholds
 * @param {{spec: TypeSpec | undefined, palette: Palette, locale: Locale, at: number}} look At is any time on the chart.
 */
export function thresholdLines(thresholds, { spec, palette, locale, at }) {
  return {
    id: 'thresholds',
    type: /** @type {const} */ ('line'),
    silent: true,
    symbol: 'none',
    lineStyle: { opacity: 0 },
    emphasis: { disabled: true },
    z: 2,
    data: thresholds.map(({ threshold }) => [at, drawable(threshold)]),
    markLine: {
      silent: true,
      symbol: 'none',
      animation: false,
      data: thresholds.map((one) => ({
        yAxis: drawable(one.threshold),
        lineStyle: { color: palette[one.severity], type: dashes[one.severity], width: 1 },
        label: {
          position: /** @type {const} */ ('insideStartTop'),
          color: palette.inkSoft,
          fontSize: textSize(palette),
          // Readable where a line passes behind it.
          backgroundColor: palette.surface,
          padding: /** @type {[number, number]} */ ([1, 4]),
          formatter: `${locale.t(one.own ? texts.ownLimit : texts.threshold)} ${one.below ? '< ' : ''}${locale.threshold(one, spec)}`,
        },
      })),
    },
  };
}
