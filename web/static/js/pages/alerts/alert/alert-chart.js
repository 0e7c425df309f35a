// @ts-check
import { ChartTable } from '../../../components/chart-table.js';
import { DeviceChart } from '../../../components/device/device-chart.js';
import { find } from '../../../components/dom.js';
import { LoadState } from '../../../components/load-state.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { alertTime } from '../../../model/alert-story.js';
import { SampleSeries } from '../../../model/samples.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../model/protocol.js').Alert} Alert
 * @typedef {import('../../../app/session.js').Session} Session
 */

/** How many archived readings are asked for at most: about one for each pixel. */
const wantedPoints = 500;

/** How often they are asked for while the alert stands, in milliseconds. */
const period = 5000;

/** The readings of an alert's device around the alert, with its threshold and its span. */
export class AlertChart {
  #session;
  #container;
  #chart;
  #table;
  #state;
  #request;
  #samples = new SampleSeries();
  /** @type {Alert | null} */
  #alert = null;
  /** Whether the threshold is one of values. */
  #valued = false;

  /**
   * @param {HTMLElement} section
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(section, session, signal) {
    this.#session = session;
    const container = (this.#container = find(section, '#alert-chart', HTMLElement));
    this.#chart = new DeviceChart({ container, legend: find(section, '#alert-legend', HTMLElement), speaker: find(section, '#alert-speaker', HTMLElement) }, session, signal);
    this.#table = new ChartTable(section, session, { name: 'readings-as', values: () => ({ caption: this.#label, columns: this.#chart.columns, rows: this.#chart.rows }) }, signal);
    this.#request = session.ask((asking) => this.#fetch(asking), (samples) => this.#apply(samples), signal);
    this.#request.subscribe(() => this.#request.phase !== 'loading' && this.update(), { signal });
    this.#state = new LoadState(find(section, '#alert-chart-state', HTMLElement), session, { empty: terms.noReadings, onRetry: () => this.#request.load() }, signal);
  }

  /**
   * Shows an alert, the same one after another event.
   *
   * @param {Alert} alert
   * @param {boolean} valued Whether its threshold is one of values.
   */
  set(alert, valued) {
    const first = this.#alert === null;
    if (!first && this.#alert?.cleared_at !== alert.cleared_at) this.#request.outdate();
    this.#alert = alert;
    this.#valued = valued;
    if (first) this.#request.load();
    this.update();
  }

  /** @param {AbortSignal} signal */
  #fetch(signal) {
    const { clock, history } = this.#session;
    const { from, to } = this.#time;
    return history.readings({ id: this.#alert?.device_id ?? '', from, to: Math.min(to + 1000, clock.now()), points: wantedPoints }, signal);
  }

  /** @param {import('../../../model/history.js').Sample[]} samples */
  #apply(samples) {
    this.#samples = new SampleSeries();
    for (const { timestamp, value, quality } of samples) this.#samples.add(Date.parse(timestamp), value, quality === 'bad');
  }

  get #time() {
    return alertTime(this.#alert ?? { onset: new Date(0).toISOString() }, this.#session.clock.now());
  }

  /** Moves it on to the present while the alert stands. */
  update() {
    if (!this.#alert) return;
    this.#request.renew(this.#alert.cleared_at ? Infinity : period);
    this.#chart.update(this.#view);
    this.#describe();
  }

  /** Shows everything anew, in another language or theme. */
  show() {
    if (!this.#alert) return;
    this.#chart.show(this.#view);
    this.#describe();
  }

  get #view() {
    const alert = /** @type {Alert} */ (this.#alert);
    const { from, to, span } = this.#time;
    return {
      points: this.#samples.points(), bad: this.#samples.bad(), spec: this.#session.plant.specs.get(alert.device_type),
      thresholds: this.#valued ? [{ severity: alert.severity, threshold: alert.threshold, below: alert.below ?? false }] : [],
      from, to, span: { ...span, severity: alert.severity },
    };
  }

  #describe() {
    this.#state.update(this.#request, { empty: this.#samples.size === 0 });
    this.#container.setAttribute('aria-label', this.#label);
    this.#table.update();
  }

  /** Which device it is, over which time, and when the alert was. */
  get #label() {
    const { clock, locale } = this.#session;
    const { from, to, span } = this.#time;
    const at = (/** @type {number} */ time) => locale.timeOrDate(time, clock.now());
    const words = this.#alert?.cleared_at ? locale.t(texts.alertSpan, { from: at(span.from), to: at(span.to) }) : locale.t(texts.alertSpanOpen, { from: at(span.from) });
    return locale.t(texts.alertChartLabel, { device: visible(this.#alert?.device_id ?? ''), from: at(from), to: at(to), span: words });
  }
}
