// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { sameDisplay, shownSpec, shownValue } from '../../model/display.js';
import { SampleSeries } from '../../model/samples.js';
import { ranges } from '../../model/series.js';
import { comparing, thresholdsOf } from '../../model/thresholds.js';
import { ChartTable } from '../chart-table.js';
import { find } from '../dom.js';
import { LoadState } from '../load-state.js';
import { rangeSegment } from '../range-segment.js';
import { Segmented } from '../segmented.js';
import { loadTemplate } from '../template.js';
import { DeviceChart } from './device-chart.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/history.js').Sample} Sample
 * @typedef {import('../../model/history.js').DeviceDetail} DeviceDetail
 * @typedef {import('../../app/session.js').Session} Session
 */

/** The ranges of time that a device's readings are shown over. */
const offered = [...ranges.filter(({ name }) => ['15m', '1h', '6h', '24h'].includes(name)), { name: '7d', seconds: 7 * 86400 }];

/** How many archived readings are asked for at most: about one for each pixel. */
const wantedPoints = 500;

/**
 * Puts what the chart is made of into its section, #device-history.
 *
 * @param {Promise<DocumentFragment>} page What the section is in.
 * @param {AbortSignal} signal
 */
export async function withHistory(page, signal) {
  const [content, frame] = await Promise.all([page, loadTemplate('./device-history.html', import.meta.url, signal)]);
  find(content, '#device-history', HTMLElement).append(frame);
  return content;
}

/** The chart of one device: its archived readings, then the live ones. */
export class DeviceHistory {
  #session;
  #container;
  #legend;
  #speaker;
  #table;
  #state;
  #range;
  #request;
  #signal;
  /** @type {DeviceChart | null} */
  #chart = null;
  #charting = new AbortController();
  /** @type {Device | null} */
  #device = null;
  /** @type {Alert[]} */
  #alerts = [];
  /** What the server has answered about the device, for its thresholds, unit and name. @type {DeviceDetail | null} */
  #detail = null;
  #samples = new SampleSeries();
  /** The range that was loaded last, by its name. */
  #loaded = '';

  /**
   * @param {HTMLElement} section What withHistory has filled.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(section, session, signal) {
    const { address } = session;
    this.#session = session;
    this.#signal = signal;
    this.#container = find(section, '#device-chart', HTMLElement);
    this.#legend = find(section, '#device-legend', HTMLElement);
    this.#speaker = find(section, '#device-speaker', HTMLElement);
    this.#table = new ChartTable(section, session, { name: 'history-as', values: () => this.#values }, signal);
    this.#range = new Segmented(find(section, '#drawer-range', HTMLElement), (history) => address.replace({ history }), signal);
    this.#request = session.ask((asking) => this.#fetch(asking), (readings) => this.#addArchived(readings), signal);
    this.#request.subscribe(() => this.#request.phase !== 'loading' && this.update(), { signal });
    const retry = () => this.#load();
    this.#state = new LoadState(find(section, '#device-chart-state', HTMLElement), session, { empty: terms.noReadings, onRetry: retry }, signal);
    session.archive.subscribe(() => this.#request.outdate(), { signal });
    address.subscribe(() => this.#chosen.name !== this.#loaded && this.#load(), { signal });
    signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** The range that the address names. */
  get #chosen() {
    const name = this.#session.address.get('history');
    const range = offered.find((one) => one.name === name) ?? offered[0];
    return /** @type {import('../../model/series.js').Range} */ (range);
  }

  /**
   * Begins with a device. The section must be visible.
   *
   * @param {Device} device
   * @param {Alert[]} alerts
   */
  open(device, alerts) {
    if (this.#signal.aborted) return;
    this.#device = device;
    this.#alerts = alerts;
    this.#charting = new AbortController();
    this.#chart = new DeviceChart({ container: this.#container, legend: this.#legend, speaker: this.#speaker }, this.#session, this.#charting.signal);
    this.#load();
  }

  /** @param {DeviceDetail | null} detail What the server has answered about the device. */
  set detail(detail) {
    const other = !sameDisplay(detail?.display, this.#detail?.display);
    this.#detail = detail;
    // The axis has another unit.
    if (other) this.show();
  }

  close() {
    this.#detail = null;
    this.#request.cancel();
    this.#charting.abort();
    this.#chart = null;
    this.#device = null;
  }

  /**
   * Adds the device's newest reading.
   *
   * @param {Device} device
   * @param {Alert[]} alerts
   */
  add(device, alerts) {
    this.#device = device;
    this.#alerts = alerts;
    this.#samples.add(Date.parse(device.timestamp), device.value, device.quality === 'bad');
    this.update();
  }

  /** @param {AbortSignal} signal */
  #fetch(signal) {
    const { clock, history } = this.#session;
    const from = clock.now() - this.#chosen.seconds * 1000;
    return history.readings({ id: this.#device?.device_id ?? '', from, points: wantedPoints }, signal);
  }

  /** @param {Sample[]} readings */
  #addArchived(readings) {
    for (const { timestamp, value, quality } of readings) this.#samples.add(Date.parse(timestamp), value, quality === 'bad');
  }

  #load() {
    const device = this.#device;
    if (!device) return;
    this.#loaded = this.#chosen.name;
    this.#samples = new SampleSeries();
    this.#samples.add(Date.parse(device.timestamp), device.value, device.quality === 'bad');
    this.#request.load();
    this.#request.outdate(); // The archive is behind what is live: what it does not have yet comes a little later.
    this.show();
  }

  /** Moves the chart on to the present. */
  update() {
    if (!this.#chart) return;
    this.#request.renew();
    this.#chart.update(this.#view());
    this.#describe();
  }

  /** Shows everything anew: in another language, theme or range. */
  show() {
    if (!this.#chart) return;
    this.#range.offer(offered.map((range) => rangeSegment(range, this.#session.locale)));
    this.#range.value = this.#chosen.name;
    this.#chart.show(this.#view());
    this.#describe();
  }

  #view() {
    const { clock, plant } = this.#session;
    const to = clock.now();
    const from = to - this.#chosen.seconds * 1000;
    this.#samples.trim(from);
    const type = this.#device?.device_type ?? '';
    const { alert_rules: rules, display } = this.#detail ?? {};
    const thresholds = thresholdsOf(comparing(rules), this.#alerts);
    return {
      points: shownPoints(this.#samples.points(), display),
      bad: shownPoints(this.#samples.bad(), display),
      spec: shownSpec(plant.specs.get(type), display),
      thresholds: thresholds.map((one) => ({ ...one, threshold: shownValue(one.threshold, display) })),
      from,
      to,
    };
  }

  #describe() {
    // The newest reading alone is there before the archive has answered.
    const fewest = this.#request.phase === 'loading' ? 2 : 1;
    this.#state.update(this.#request, { empty: this.#samples.size < fewest });
    this.#container.setAttribute('aria-label', this.#label);
    this.#table.update();
  }

  /** Which device it is, over which time. */
  get #label() {
    const { locale } = this.#session;
    const id = visible(this.#device?.device_id ?? '');
    const name = visible(this.#detail?.registered?.name ?? '');
    const values = { device: name ? locale.t(texts.namedDevice, { name, id }) : id, range: rangeSegment(this.#chosen, locale).label };
    return locale.t(texts.deviceChartLabel, values);
  }

  /** What is shown, as a table; null while there is no device. */
  get #values() {
    return this.#chart && { caption: this.#label, columns: this.#chart.columns, rows: this.#chart.rows };
  }
}

/**
 * @param {import('../../model/samples.js').Point[]} points
 * @param {import('../../model/display.js').Display | undefined} display
 * @returns {import('../../model/samples.js').Point[]}
 */
function shownPoints(points, display) {
  return display ? points.map(([time, value]) => [time, value === null ? null : shownValue(value, display)]) : points;
}
