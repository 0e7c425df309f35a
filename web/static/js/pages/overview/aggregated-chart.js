// @ts-check
import { ChartKeyboard } from '../../components/chart-keyboard.js';
import { ChartLegend } from '../../components/chart-legend.js';
import { stateBounds, textSize, timeAxis, timeChart, valueAxis, zoom } from '../../components/chart-style.js';
import { ChartSurface } from '../../components/chart-surface.js';
import { currentPalette } from '../../components/palette.js';
import { thresholdLines } from '../../components/threshold-lines.js';
import { tooltip, tooltipStyle } from '../../components/tooltip.js';
import { terms } from '../../locale/terms.js';
import { bandHeight, drawable } from '../../model/drawable.js';
import { nearThresholds, thresholdsOf } from '../../model/thresholds.js';
import { aggregatedColumns, aggregatedRows, pointRow } from './aggregated-values.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/windows.js').WindowPoint} WindowPoint
 * @typedef {import('../../model/protocol.js').TypeSpec} TypeSpec
 * @typedef {import('../../locale/locale.js').Text} Text
 * @typedef {import('../../app/session.js').Session} Session
 *
 * @typedef {object} AggregatedView What the chart is to show.
 * @property {WindowPoint[]} points Evenly spaced, oldest first.
 * @property {TypeSpec | undefined} spec
 * @property {number} step Milliseconds from point to point.
 * @property {string} range The name of the range.
 */

/** The device counts stay in the lowest part of the chart, under the lines. */
const countsShare = 4;

/** Below this width, in pixels at the usual size of text, the legend does not repeat the type, which is marked above the chart anyway. */
const roomForNames = 560;

/**
 * Average, maximum and minimum of one device type over time, with the number of devices. The window in progress is drawn
 * hollow on a shaded ground: its numbers still change.
 */
export class AggregatedChart {
  #container;
  #surface;
  #keyboard;
  #legend;
  #session;
  #palette;
  /** @type {AggregatedView} */
  #view = { points: [], spec: undefined, step: 30_000, range: '' };

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.container
   * @param {HTMLElement} parts.legend
   * @param {HTMLElement} parts.speaker A live region, for what the keyboard comes to.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor({ container, legend, speaker }, session, signal) {
    this.#container = container;
    this.#session = session;
    this.#palette = currentPalette();
    this.#surface = new ChartSurface(container, { onReady: () => this.#draw(), onHidden: () => this.#showLegend() }, signal);
    this.#legend = new ChartLegend(legend, (id) => this.#surface.toggle(id), signal);
    this.#keyboard = new ChartKeyboard(container, session, { surface: this.#surface, rows: () => this.rows, speaker }, signal);
  }

  /** The columns of the table of the chart's values. */
  get columns() {
    return aggregatedColumns(this.#view, this.#session.locale);
  }

  get rows() {
    return aggregatedRows(this.#view, this.#session.locale, this.#session.clock.now());
  }

  /**
   * Shows something else: another type, range, language or theme.
   *
   * @param {AggregatedView} view
   */
  show(view) {
    const same = view.spec?.name === this.#view.spec?.name && view.range === this.#view.range;
    this.#view = view;
    this.#palette = currentPalette();
    this.#draw(same);
  }

  /**
   * Shows newer points of the same; the zoom stays.
   *
   * @param {WindowPoint[]} points
   */
  updateData(points) {
    // Every drawing costs as much as a hundred rows, and most messages change no window of this type.
    if (samePoints(points, this.#view.points)) return;
    this.#view = { ...this.#view, points };
    const yAxis = [{ id: 'values' }, this.#countBounds()];
    this.#surface.update({ xAxis: this.#timeBounds(), yAxis, series: [...this.#data(), this.#thresholds()] });
    this.#keyboard.update();
  }

  /** @param {boolean} [same] that it shows the same as before, in another language or theme. */
  #draw(same = false) {
    const palette = this.#palette;
    const length = this.#view.points.length * this.#view.step;
    this.#surface.draw({
      ...timeChart(palette),
      grid: { left: 4, right: 4, top: this.#unit ? 10 + 16 * palette.scale : 14, bottom: 26, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
      // Only to hide series: the one that is seen is made of buttons, for the keyboard.
      legend: { show: false },
      tooltip: { trigger: 'axis', ...tooltipStyle(palette), formatter: (/** @type {any} */ items) => this.#tooltip(items) },
      xAxis: { ...timeAxis(palette, this.#session.locale, length), ...this.#timeBounds() },
      yAxis: [
        // Room below the lines, where the device counts are.
        { id: 'values', ...valueAxis(palette, this.#unit, (value) => this.#tick(value)), ...this.#valueBounds() },
        {
          type: 'value',
          min: 0,
          splitLine: { show: false },
          axisLabel: { color: palette.inkSoft, fontSize: textSize(palette), formatter: (/** @type {number} */ value) => this.#countTick(value) },
          ...this.#countBounds(),
        },
      ],
      dataZoom: zoom(palette),
      series: [...mergeSeries(this.#series(), this.#data()), this.#thresholds()],
    }, same);
    this.#showLegend();
    this.#keyboard.update();
  }

  #showLegend() {
    const { hidden } = this.#surface;
    this.#legend.show(this.#series().flatMap(({ id, name }) => (name ? { id, name, hidden: hidden.has(id) } : [])));
  }

  /** What the axis counts in; that of named states is in their names. */
  get #unit() {
    return this.#view.spec?.unit ?? '';
  }

  #valueBounds() {
    const states = this.#view.spec?.states;
    if (!states) return { boundaryGap: /** @type {[string, string]} */ (['30%', '8%']) };
    const { interval, max } = stateBounds(states);
    return { min: -interval * Math.ceil(max / 2), max, interval };
  }

  /** The axis of the device counts has two ticks that matter: none, and the most there are. */
  #countBounds() {
    const most = this.#mostDevices;
    return { id: 'counts', max: most * countsShare, interval: most };
  }

  get #mostDevices() {
    return this.#view.points.reduce((most, { devices }) => Math.max(most, devices), 1);
  }

  /** @param {number} value */
  #countTick(value) {
    return value === this.#mostDevices ? this.#session.locale.number(value) : '';
  }

  #thresholds() {
    const { points, spec } = this.#view;
    const { locale, plant } = this.#session;
    const values = points.flatMap(({ min, max }) => [min, max]);
    const near = nearThresholds(thresholdsOf(plant.rulesOf(spec?.name ?? '')), values);
    return thresholdLines(near, { spec, palette: this.#palette, locale, at: points[0]?.start ?? 0 });
  }

  get #narrow() {
    return this.#container.clientWidth < roomForNames * this.#palette.scale;
  }

  /** The series without their data; #data returns that. */
  #series() {
    const palette = this.#palette;
    const { locale } = this.#session;
    const type = this.#session.typeName(this.#view.spec?.name ?? '');
    /**
     * @param {Text} short
     * @param {Text} full
     */
    const titled = (short, full) => (this.#narrow ? locale.t(short) : locale.t(full, { type }));
    const line = { type: /** @type {const} */ ('line'), symbol: 'none', z: 3, emphasis: { disabled: true } };
    const stacked = { stack: 'band', stackStrategy: /** @type {const} */ ('all') };
    const hidden = { ...line, ...stacked, silent: true, lineStyle: { opacity: 0 }, z: 2 };
    return [
      {
        id: 'devices',
        name: locale.t(texts.deviceCount),
        type: /** @type {const} */ ('bar'),
        yAxisIndex: 1,
        barCategoryGap: '20%',
        barMaxWidth: 40,
        itemStyle: { color: palette.devices },
        emphasis: { disabled: true },
        z: 1,
      },
      { ...hidden, id: 'band-floor' },
      { ...hidden, id: 'band', areaStyle: { color: palette.band, opacity: 1 } },
      {
        ...line,
        id: 'maximum',
        name: titled(terms.maximum, texts.seriesMaximum),
        itemStyle: { color: palette.maximum },
        lineStyle: { width: 1.5, color: palette.maximum },
      },
      {
        ...line,
        id: 'average',
        name: titled(terms.average, texts.seriesAverage),
        itemStyle: { color: palette.average },
        lineStyle: { width: 2.5, color: palette.average },
        z: 4,
      },
      {
        ...line,
        id: 'minimum',
        name: titled(terms.minimum, texts.seriesMinimum),
        itemStyle: { color: palette.minimum },
        lineStyle: { width: 1.5, color: palette.minimum, type: /** @type {[number, number]} */ ([4, 3]) },
      },
    ];
  }

  /** What changes with each message. */
  #data() {
    const { points } = this.#view;
    const palette = this.#palette;
    const bar = (/** @type {WindowPoint} */ p) => ({
      value: [p.start, p.devices || null],
      itemStyle: { opacity: p.final ? 1 : 0.55 },
    });
    return [
      { id: 'devices', data: points.map(bar) },
      { id: 'band-floor', data: points.map((p) => [p.start, drawable(p.min)]) },
      { id: 'band', data: points.map((p) => [p.start, bandHeight(p)]) },
      { id: 'maximum', data: this.#line((p) => p.max, palette.maximum) },
      { id: 'average', data: this.#line((p) => p.average, palette.average), markArea: this.#provisionalArea() },
      { id: 'minimum', data: this.#line((p) => p.min, palette.minimum) },
    ];
  }

  /**
   * Points of a line. One that still changes is a hollow circle, and one that stands alone a dot, because no line would show
   * it.
   *
   * @param {(point: WindowPoint) => number | null} pick
   * @param {string} color
   */
  #line(pick, color) {
    const { points } = this.#view;
    const ring = { color: this.#palette.surface, borderColor: color, borderWidth: 1.5 };
    const hollow = { symbol: 'circle', symbolSize: 6, itemStyle: ring };
    return points.map((point, i) => {
      const value = [point.start, drawable(pick(point))];
      if (!point.final) return { value, ...hollow };
      const alone = !points[i - 1]?.count && !points[i + 1]?.count;
      return alone ? { value, symbol: 'circle', symbolSize: 4 } : { value };
    });
  }

  #timeBounds() {
    const { points, step } = this.#view;
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last) return {};
    // Half a step at each end, for the bars.
    return { min: first.start - step / 2, max: last.start + step / 2 };
  }

  /** The ground under what is in progress: for a while after its end a window waits for late readings. */
  #provisionalArea() {
    const { points, step } = this.#view;
    const first = points.find((point) => !point.final);
    const last = points.findLast((point) => !point.final);
    const label = { show: false };
    if (!first || !last) return { silent: true, label, data: [] };
    return {
      silent: true,
      label,
      itemStyle: { color: this.#palette.provisional },
      data: /** @type {[{xAxis: number}, {xAxis: number}][]} */ ([
        [{ xAxis: first.start - step / 2 }, { xAxis: last.start + step / 2 }],
      ]),
    };
  }

  /** @param {number} value */
  #tick(value) {
    return this.#session.locale.tick(value, this.#view.spec);
  }

  /** @param {{seriesId: string, dataIndex: number}[]} items What the pointer is over, one for each series. */
  #tooltip(items) {
    if (this.#keyboard.tooltip) return this.#keyboard.tooltip;
    const { locale, clock } = this.#session;
    const point = this.#view.points[items.find(({ seriesId }) => seriesId === 'devices')?.dataIndex ?? -1];
    if (!point) return '';
    const { head, pairs } = pointRow(point, this.#view, locale, clock.now());
    return tooltip(head, pairs);
  }
}

/**
 * @param {WindowPoint[]} a
 * @param {WindowPoint[]} b
 */
function samePoints(a, b) {
  const same = (/** @type {WindowPoint} */ p, /** @type {WindowPoint | undefined} */ q) =>
    q !== undefined && (p === q || (p.start === q.start && p.final === q.final && p.count === q.count && p.devices === q.devices &&
      p.average === q.average && p.max === q.max && p.min === q.min));
  return a.length === b.length && a.every((point, i) => same(point, b[i]));
}

/**
 * @template {{id: string}} A
 * @template {{id: string}} B
 * @param {A[]} series
 * @param {B[]} data In the same order.
 */
function mergeSeries(series, data) {
  return series.map((one, i) => ({ ...one, ...data[i] }));
}
