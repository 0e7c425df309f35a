// @ts-check
import { ChartSurface } from './chart-surface.js';
import { timeAxis, timeChart, valueAxis, zoom } from './chart-style.js';
import { tooltip, tooltipStyle } from './tooltip.js';

/**
 * @typedef {import('../model/samples.js').Point} Point
 * @typedef {import('../model/protocol.js').TypeSpec} TypeSpec
 * @typedef {import('../model/protocol.js').Alert} Alert
 * @typedef {import('./palette.js').Palette} Palette
 * @typedef {import('./surroundings.js').Surroundings} Surroundings
 *
 * @typedef {object} DeviceView What the chart is to show.
 * @property {Point[]} points
 * @property {TypeSpec | undefined} spec
 * @property {Alert[]} alerts The open ones: their thresholds are drawn.
 * @property {number} from
 * @property {number} to
 */

/** The readings of one device over time, with the thresholds that it violates. */
export class DeviceChart {
  #surface;
  #surroundings;
  #palette;
  /** @type {DeviceView} */
  #view = { points: [], spec: undefined, alerts: [], from: 0, to: 0 };

  /**
   * @param {HTMLElement} container
   * @param {Surroundings} surroundings
   * @param {Palette} palette
   */
  constructor(container, surroundings, palette) {
    this.#surroundings = surroundings;
    this.#palette = palette;
    this.#surface = new ChartSurface(container, { onReady: () => this.#draw() });
  }

  /**
   * Shows something else: another range, language or theme.
   *
   * @param {DeviceView} view
   * @param {Palette} palette
   */
  show(view, palette) {
    this.#view = view;
    this.#palette = palette;
    this.#draw();
  }

  /**
   * Shows newer readings of the same; the zoom stays.
   *
   * @param {DeviceView} view
   */
  update(view) {
    this.#view = view;
    this.#surface.update({ xAxis: { min: view.from, max: view.to }, series: [this.#data()] });
  }

  dispose() {
    this.#surface.dispose();
  }

  #draw() {
    const palette = this.#palette;
    const { spec, from, to } = this.#view;
    const { locale } = this.#surroundings;
    this.#surface.draw({
      ...timeChart(palette),
      grid: { left: 4, right: 10, top: 14, bottom: 26, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
      tooltip: { trigger: 'axis', ...tooltipStyle(palette), formatter: (/** @type {any} */ items) => this.#tooltip(items) },
      xAxis: { ...timeAxis(palette, to - from), min: from, max: to },
      yAxis: { ...valueAxis(palette, (value) => locale.tick(value, spec)), ...(spec?.states && stateBounds(spec.states)) },
      dataZoom: zoom(palette),
      series: [
        {
          type: 'line',
          symbol: 'none',
          step: spec?.states ? 'end' : false,
          lineStyle: { width: 1.5, color: palette.average },
          itemStyle: { color: palette.average },
          emphasis: { disabled: true },
          ...this.#data(),
        },
      ],
    });
  }

  /** What changes with each message. */
  #data() {
    const { alerts, points, spec } = this.#view;
    const { locale } = this.#surroundings;
    const thresholds = alerts.filter(({ alert_type: type }) => type !== 'device_offline');
    return {
      id: 'readings',
      data: points,
      markLine: {
        silent: true,
        symbol: 'none',
        animation: false,
        data: thresholds.map((alert) => ({
          yAxis: alert.threshold,
          lineStyle: {
            color: alert.severity === 'critical' ? this.#palette.critical : this.#palette.warning,
            type: /** @type {const} */ ('dashed'),
            width: 1,
          },
          label: {
            position: /** @type {const} */ ('insideStartTop'),
            color: this.#palette.inkSoft,
            formatter: `${locale.t('threshold')} ${locale.threshold(alert, spec)}`,
          },
        })),
      },
    };
  }

  /** @param {{value: Point}[]} items */
  #tooltip(items) {
    const [time, value] = items[0]?.value ?? [];
    if (time === undefined || value === undefined || value === null) return '';
    const { locale } = this.#surroundings;
    return tooltip(locale.dateTime(time), [[locale.t('value'), locale.reading(value, this.#view.spec)]]);
  }
}

/**
 * An axis of named states has one tick for each.
 *
 * @param {string[]} states
 */
function stateBounds(states) {
  return { min: 0, max: states.length - 1, interval: 1 };
}
