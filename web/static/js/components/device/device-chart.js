// @ts-check
import { terms } from '../../locale/terms.js';
import { drawable } from '../../model/drawable.js';
import { nearThresholds } from '../../model/thresholds.js';
import { ChartKeyboard } from '../chart-keyboard.js';
import { ChartLegend } from '../chart-legend.js';
import { stateBounds, timeAxis, timeChart, valueAxis, zoom } from '../chart-style.js';
import { ChartSurface } from '../chart-surface.js';
import { currentPalette } from '../palette.js';
import { thresholdLines } from '../threshold-lines.js';
import { tooltip, tooltipStyle } from '../tooltip.js';
import { deviceColumns, deviceRows } from './device-values.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/samples.js').Point} Point
 * @typedef {import('../../model/protocol.js').TypeSpec} TypeSpec
 * @typedef {import('../../model/thresholds.js').Threshold} Threshold
 * @typedef {import('../../app/session.js').Session} Session
 *
 * @typedef {object} DeviceView What the chart is to show.
 * @property {Point[]} points
 * @property {Point[]} bad Readings of quality bad, which are no part of the line.
 * @property {TypeSpec | undefined} spec
 * @property {Threshold[]} thresholds
 * @property {number} from
 * @property {number} to
 * @property {{from: number, to: number, severity: import('../../model/protocol.js').Severity}} [span] The time of an alert.
 */

/** The readings of one device over time, with the thresholds that they come near to. */
export class DeviceChart {
  #surface;
  #keyboard;
  #legend;
  #session;
  #palette;
  /** @type {DeviceView} */
  #view = { points: [], bad: [], spec: undefined, thresholds: [], from: 0, to: 0 };

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.container
   * @param {HTMLElement} parts.legend
   * @param {HTMLElement} parts.speaker A live region, for what the keyboard comes to.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor({ container, legend, speaker }, session, signal) {
    this.#session = session;
    this.#palette = currentPalette();
    this.#surface = new ChartSurface(container, { onReady: () => this.#draw(), onHidden: () => this.#showLegend() }, signal);
    this.#legend = new ChartLegend(legend, (id) => this.#surface.toggle(id), signal);
    this.#keyboard = new ChartKeyboard(container, session, { surface: this.#surface, rows: () => this.rows, speaker }, signal);
  }

  /** The columns of the table of the chart's values. */
  get columns() {
    return deviceColumns(this.#view, this.#session.locale);
  }

  get rows() {
    return deviceRows(this.#view, this.#session.locale, this.#session.clock.now());
  }

  /**
   * Shows something else: another range, language or theme.
   *
   * @param {DeviceView} view
   */
  show(view) {
    const length = (/** @type {DeviceView} */ { from, to }) => Math.round((to - from) / 1000);
    const same = length(view) === length(this.#view);
    this.#view = view;
    this.#palette = currentPalette();
    this.#draw(same);
  }

  /**
   * Shows newer readings of the same; the zoom stays.
   *
   * @param {DeviceView} view
   */
  update(view) {
    this.#view = view;
    this.#surface.update({ xAxis: { min: view.from, max: view.to }, series: [this.#data(), this.#badData(), this.#thresholds()] });
    this.#showLegend();
    this.#keyboard.update();
  }

  /** @param {boolean} [same] that it shows the same as before, in another language or theme. */
  #draw(same = false) {
    const palette = this.#palette;
    const { spec, from, to } = this.#view;
    const { locale } = this.#session;
    this.#surface.draw({
      ...timeChart(palette),
      grid: { left: 4, right: 26, top: spec?.unit ? 10 + 16 * palette.scale : 14, bottom: 26, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
      // Only to hide series: the one that is seen is made of buttons, for the keyboard.
      legend: { show: false },
      tooltip: { trigger: 'axis', ...tooltipStyle(palette), formatter: (/** @type {any} */ items) => this.#tooltip(items) },
      xAxis: { ...timeAxis(palette, locale, to - from), min: from, max: to },
      yAxis: { ...valueAxis(palette, spec?.unit ?? '', (value) => locale.tick(value, spec)), ...(spec?.states && { ...stateBounds(spec.states), interval: 1 }) },
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
        {
          type: 'scatter',
          symbol: 'path://M0,0 L10,10 M10,0 L0,10', // A cross: distinguished by its shape.
          symbolSize: 7,
          itemStyle: { color: 'transparent', borderColor: palette.inkSoft, borderWidth: 1.5 },
          ...this.#badData(),
        },
        this.#thresholds(),
      ],
    }, same);
    this.#showLegend();
    this.#keyboard.update();
  }

  /** Names the series that there is something of, hidden ones too. */
  #showLegend() {
    const names = this.#names;
    const { hidden } = this.#surface;
    const items = [{ id: 'readings', name: names.readings }];
    if (this.#view.bad.length > 0) items.push({ id: 'bad', name: names.bad });
    if (this.#near.length > 0) items.push({ id: 'thresholds', name: names.thresholds });
    this.#legend.show(items.map((item) => ({ ...item, hidden: hidden.has(item.id) })));
  }

  /** The names of the series, by their ids. */
  get #names() {
    const { locale } = this.#session;
    return { readings: locale.t(terms.value), bad: locale.t(texts.badReadings), thresholds: locale.t(texts.thresholds) };
  }

  /** The thresholds that the readings come near to. */
  get #near() {
    return nearThresholds(this.#view.thresholds, this.#view.points.map(([, value]) => value));
  }

  /** What changes with each message. */
  #data() {
    const { points } = this.#view;
    const missing = (/** @type {Point | undefined} */ point) => (point?.[1] ?? null) === null;
    // No line would show a reading that stands alone.
    const alone = (/** @type {number} */ i) => missing(points[i - 1]) && missing(points[i + 1]);
    const dot = { symbol: 'circle', symbolSize: 5 };
    return { id: 'readings', name: this.#names.readings, data: points.map((point, i) => (alone(i) ? { value: drawn(point), ...dot } : drawn(point))) };
  }

  #badData() {
    return { id: 'bad', name: this.#names.bad, data: this.#view.bad.map(drawn) };
  }

  #thresholds() {
    const { spec, from, span } = this.#view;
    const lines = thresholdLines(this.#near, { spec, palette: this.#palette, locale: this.#session.locale, at: from });
    const palette = this.#palette;
    const area = span && {
      markArea: {
        silent: true, animation: false, itemStyle: { color: palette[span.severity], opacity: 0.14, borderColor: palette[span.severity], borderWidth: 1, borderType: /** @type {const} */ ('dotted') },
        data: /** @type {[{xAxis: number}, {xAxis: number}][]} */ ([[{ xAxis: span.from }, { xAxis: span.to }]]),
      },
    };
    return { ...lines, name: this.#names.thresholds, ...area };
  }

  /** @param {{seriesId: string, dataIndex: number}[]} items */
  #tooltip(items) {
    if (this.#keyboard.tooltip) return this.#keyboard.tooltip;
    const item = items.find(({ seriesId }) => seriesId === 'bad') ?? items.find(({ seriesId }) => seriesId === 'readings');
    const shown = item?.seriesId === 'bad' ? this.#view.bad : this.#view.points;
    const [time, value] = shown[item?.dataIndex ?? -1] ?? [];
    if (time === undefined || value === undefined || value === null) return '';
    const { locale } = this.#session;
    /** @type {[string, string][]} */
    const lines = [[locale.t(terms.value), locale.reading(value, this.#view.spec)]];
    if (item?.seriesId === 'bad') lines.push([locale.t(terms.quality), locale.t(terms.bad)]);
    return tooltip(locale.dateTime(time), lines);
  }
}

/**
 * @param {Point} point
 * @returns {Point}
 */
function drawn([time, value]) {
  return [time, drawable(value)];
}
