// @ts-check
import { HistoryError } from '../../model/history.js';
import { SampleSeries } from '../../model/samples.js';
import { ranges } from '../../model/series.js';
import { correctedPause } from '../../model/windows.js';
import { thresholdsOf } from '../../model/thresholds.js';
import { DeviceChart } from './device-chart.js';
import { find, setText } from '../dom.js';
import { Segmented } from '../segmented.js';
import { rangeSegment } from '../range-segment.js';

/**
 * @typedef {import('../../model/protocol.js').Device} Device
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../palette.js').Palette} Palette
 * @typedef {import('../../app/surroundings.js').Surroundings} Surroundings
 */

/** The ranges of time that a device's readings are shown over. */
const offered = ranges.filter(({ name }) => ['15m', '1h', '6h', '24h'].includes(name));

/** How soon the archive is asked again when it could not be, in milliseconds. */
const retryPause = 5_000;

/** How many archived readings are asked for at most: about one for each pixel. */
const wantedPoints = 500;

/** The chart of one device in the drawer: its archived readings, then the live ones. */
export class DeviceHistory {
  #surroundings;
  #history;
  #container;
  #state;
  #range;
  /** @type {DeviceChart | null} */
  #chart = null;
  /** @type {Palette} */
  #palette;
  /** @type {Device | null} */
  #device = null;
  /** @type {Alert[]} */
  #alerts = [];
  #samples = new SampleSeries();
  /** @type {'loading' | 'loaded' | {failed: string}} */
  #phase = 'loading';
  #loading = new AbortController();
  /** When the archive was asked last, and whether it is known to have changed since. */
  #asked = 0;
  #outdated = false;

  /**
   * @param {HTMLElement} section
   * @param {Surroundings} surroundings
   * @param {import('../../model/history.js').History} history
   * @param {Palette} palette
   */
  constructor(section, surroundings, history, palette) {
    this.#surroundings = surroundings;
    this.#history = history;
    this.#palette = palette;
    this.#container = find(section, '#device-chart', HTMLElement);
    this.#state = find(section, '#device-chart-state', HTMLElement);
    this.#range = new Segmented(find(section, '#drawer-range', HTMLElement), () => this.#load());
    find(this.#state, 'button', HTMLButtonElement).addEventListener('click', () => this.#load());
  }

  get #seconds() {
    return offered.find(({ name }) => name === this.#range.value)?.seconds ?? 900;
  }

  /**
   * Begins with a device. The section must be visible.
   *
   * @param {Device} device
   * @param {Alert[]} alerts
   */
  open(device, alerts) {
    this.#device = device;
    this.#alerts = alerts;
    this.#chart = new DeviceChart(this.#container, this.#surroundings, this.#palette);
    this.#offer();
    void this.#load();
  }

  close() {
    this.#loading.abort();
    this.#chart?.dispose();
    this.#chart = null;
    this.#device = null;
  }

  /**
   * Takes in the device as it is now.
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

  /** Has the archive asked again soon: late readings have come, or live ones may have been missed. */
  outdate() {
    this.#outdated = true;
  }

  /** Adds what the archive has learnt. What is drawn stays until the answer is there. */
  async #refresh() {
    const device = this.#device;
    const now = this.#surroundings.now();
    const failed = typeof this.#phase === 'object';
    if (!device || !(failed || this.#outdated) || this.#phase === 'loading' || now < this.#asked + (failed ? retryPause : correctedPause)) return;
    this.#asked = now;
    this.#outdated = false;
    try {
      await this.#fetch(device, this.#loading.signal);
      this.#phase = 'loaded';
    } catch {
      this.#outdated = true; // The next time may be luckier.
    }
  }

  /**
   * @param {Device} device
   * @param {AbortSignal} signal
   */
  async #fetch(device, signal) {
    const from = this.#surroundings.now() - this.#seconds * 1000;
    const readings = await this.#history.readings({ id: device.device_id, from, points: wantedPoints }, signal);
    if (signal.aborted) return;
    for (const { timestamp, value, quality } of readings) this.#samples.add(Date.parse(timestamp), value, quality === 'bad');
  }

  async #load() {
    const device = this.#device;
    if (!device) return;
    this.#asked = this.#surroundings.now();
    this.#outdated = false;
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#samples = new SampleSeries();
    this.#samples.add(Date.parse(device.timestamp), device.value, device.quality === 'bad');
    this.#phase = 'loading';
    this.show(this.#palette);
    try {
      await this.#fetch(device, signal);
      this.#phase = 'loaded';
    } catch (error) {
      if (signal.aborted) return;
      this.#phase = { failed: error instanceof HistoryError ? error.message : this.#surroundings.locale.t('disconnected') };
    }
    this.update();
  }

  /** Moves the chart on to the present. */
  update() {
    void this.#refresh();
    this.#chart?.update(this.#view());
    this.#describe();
  }

  /**
   * Shows everything anew: in another language, theme or range.
   *
   * @param {Palette} palette
   */
  show(palette) {
    this.#palette = palette;
    if (!this.#chart) return;
    this.#offer();
    this.#chart.show(this.#view(), palette);
    this.#describe();
  }

  #offer() {
    const chosen = this.#range.value || '15m';
    this.#range.offer(offered.map((range) => rangeSegment(range, this.#surroundings.locale)));
    this.#range.value = chosen;
  }

  #view() {
    const to = this.#surroundings.now();
    const from = to - this.#seconds * 1000;
    this.#samples.trim(from);
    const type = this.#device?.device_type ?? '';
    const { specs, rules } = this.#surroundings;
    const thresholds = thresholdsOf(rules, type, this.#alerts);
    return { points: this.#samples.points(), bad: this.#samples.bad(), spec: specs.get(type), thresholds, from, to };
  }

  #describe() {
    const { locale } = this.#surroundings;
    const phase = this.#phase;
    const empty = this.#samples.size === 0;
    const failed = typeof phase === 'object';
    const words = failed
      ? locale.t('historyFailed', { reason: phase.failed })
      : locale.t(phase === 'loading' ? 'loading' : 'noReadings');
    this.#state.hidden = phase === 'loaded' ? !empty : false;
    this.#state.classList.toggle('chart-state-corner', !empty);
    setText(find(this.#state, 'p', HTMLElement), words);
    find(this.#state, 'button', HTMLButtonElement).hidden = !failed;
    const range = offered.find(({ seconds }) => seconds === this.#seconds);
    if (!range || !this.#device) return;
    const label = locale.t('deviceChartLabel', { device: this.#device.device_id, range: rangeSegment(range, locale).label });
    this.#container.setAttribute('aria-label', label);
  }
}
