// @ts-check
import { ChartTable } from '../../components/chart-table.js';
import { find } from '../../components/dom.js';
import { LoadState } from '../../components/load-state.js';
import { rangeSegment } from '../../components/range-segment.js';
import { Segmented } from '../../components/segmented.js';
import { terms } from '../../locale/terms.js';
import { chartPoints, rangeLength, rangeStep, ranges, withoutLead } from '../../model/series.js';
import { archivedAfter } from '../../model/windows.js';
import { AggregatedChart } from './aggregated-chart.js';
import { texts } from './texts.js';
import { TypeTiles } from './type-tiles.js';

/**
 * @typedef {import('../../model/series.js').Range} Range
 * @typedef {import('../../model/windows.js').WindowPoint} WindowPoint
 * @typedef {import('../../app/session.js').Session} Session
 */

/** How often the archive is asked while only it has the beginning of the present step, in milliseconds. */
const catchingUp = 30_000;

/** The live range begins with the first window that there is, but shows no fewer points than this. */
const fewest = 12;

/** The aggregates of one device type over a range of time: archived ones first, live ones as they come. */
export class AggregatedPanel {
  #session;
  #chart;
  #table;
  #tiles;
  #range;
  #container;
  #state;
  #request;
  /** @type {WindowPoint[]} */
  #archived = [];
  /** What was loaded last. */
  #loaded = { type: '', range: '' };
  #found = '';

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const panel = find(root, '.panel-chart', HTMLElement);
    const { address, preferences } = session;
    this.#session = session;
    this.#container = find(panel, '#aggregated-chart', HTMLElement);
    const legend = find(panel, '#aggregated-legend', HTMLElement);
    const speaker = find(panel, '#aggregated-speaker', HTMLElement);
    this.#chart = new AggregatedChart({ container: this.#container, legend, speaker }, session, signal);
    this.#table = new ChartTable(panel, session, { name: 'chart-as', values: () => this.#values }, signal);
    this.#tiles = new TypeTiles(root, find(panel, '#type-tiles', HTMLElement), session, (chart) => {
      preferences.deviceType = chart;
      address.replace({ chart });
    }, signal);
    this.#range = new Segmented(find(panel, '#range', HTMLElement), (range) => {
      preferences.range = range;
      address.replace({ range });
    }, signal);
    this.#request = session.ask((asking) => this.#fetch(asking), (archived) => (this.#archived = archived), signal);
    this.#request.subscribe(() => this.#request.phase !== 'loading' && this.#draw(), { signal });
    const retry = () => this.reload();
    this.#state = new LoadState(find(panel, '#aggregated-state', HTMLElement), session, { empty: terms.noReadings, onRetry: retry }, signal);
    session.archive.subscribe(() => this.#request.outdate(), { signal });
    address.subscribe(() => this.#changed && this.reload(), { signal });
  }

  /** The type that the address names or the reader chose, or else the first one that there are readings of. */
  get #type() {
    const { address, preferences, plant, windows } = this.#session;
    const types = [...plant.specs.keys()];
    const chosen = [address.get('chart'), preferences.deviceType].find((type) => types.includes(type));
    if (chosen !== undefined) return chosen;
    if (!types.includes(this.#found)) this.#found = types.find((type) => windows.newest(type)) ?? '';
    return this.#found || (types[0] ?? '');
  }

  /** @returns {Range} */
  get #chosen() {
    const { address, preferences } = this.#session;
    const [named, kept] = [address.get('range'), preferences.range].map((wanted) => ranges.find(({ name }) => name === wanted));
    return /** @type {Range} */ (named ?? kept ?? ranges[0]);
  }

  /** Whether something else is to be shown than what was loaded. */
  get #changed() {
    return this.#type !== this.#loaded.type || this.#chosen.name !== this.#loaded.range;
  }

  /** Loads the archived windows anew: after another choice, or when messages may have been missed. */
  reload() {
    if (!this.#session.plant.known) return;
    this.#archived = [];
    this.#loaded = { type: this.#type, range: this.#chosen.name };
    this.#request.load();
    this.show();
  }

  /**
   * Asks the archive again before the first live window that it had not seen is forgotten, or a page that is open all day
   * would show a hole; and sooner while the live windows do not reach back to the start of the present step, or when it has
   * announced changes. To be called every second, as a plant may be silent. What is drawn stays until the answer is there.
   */
  tick() {
    const { clock, plant, windows } = this.#session;
    if (!plant.known) return;
    const step = rangeStep(this.#chosen, plant.windowSeconds) * 1000;
    const usual = archivedAfter * plant.windowSeconds * 1000;
    const whole = Math.floor(clock.now() / step) * step >= windows.since;
    this.#request.renew(whole ? usual : Math.min(usual, catchingUp));
  }

  /** @param {AbortSignal} signal */
  #fetch(signal) {
    const { clock, plant, history } = this.#session;
    const step = rangeStep(this.#chosen, plant.windowSeconds);
    const length = rangeLength(this.#chosen, plant.windowSeconds);
    return history.windows({ type: this.#type, from: clock.now() - length, step }, signal);
  }

  /** Shows the newest windows. */
  update() {
    if (this.#changed && this.#session.plant.known) {
      this.reload();
      return;
    }
    this.tick();
    this.#draw();
  }

  #draw() {
    this.#chart.updateData(this.#points());
    this.#describe();
  }

  /** Shows everything anew: in another language, theme, range or type. */
  show() {
    const { locale, plant } = this.#session;
    if (this.#changed && plant.known) {
      // The greeting may have come before the page.
      this.reload();
      return;
    }
    this.#range.offer(ranges.map((range) => rangeSegment(range, locale)));
    this.#range.value = this.#chosen.name;
    this.#tiles.offer(this.#type);
    const step = rangeStep(this.#chosen, plant.windowSeconds) * 1000;
    this.#chart.show({ points: this.#points(), spec: plant.specs.get(this.#type), step, range: this.#chosen.name });
    this.#describe();
  }

  #points() {
    const { clock, plant, windows } = this.#session;
    const points = chartPoints({
      archived: this.#archived,
      live: windows.of(this.#type),
      since: windows.since,
      length: rangeLength(this.#chosen, plant.windowSeconds),
      step: rangeStep(this.#chosen, plant.windowSeconds) * 1000,
      now: clock.now(),
    });
    return this.#chosen.seconds === 0 ? withoutLead(points, fewest) : points;
  }

  /** Puts into words what a chart without lines means, and what one with lines shows. */
  #describe() {
    const newest = this.#points().findLast((point) => point.count > 0);
    this.#tiles.update();
    this.#state.update(this.#request, { empty: !newest });
    this.#container.setAttribute('aria-label', this.#label(newest));
    this.#table.update();
  }

  /** What is shown, as a table. */
  get #values() {
    const { locale } = this.#session;
    const values = { type: this.#session.typeName(this.#type), range: rangeSegment(this.#chosen, locale).label };
    return { caption: locale.t(texts.chartCaption, values), columns: this.#chart.columns, rows: this.#chart.rows };
  }

  /** @param {WindowPoint | undefined} newest */
  #label(newest) {
    const { locale, plant: { specs } } = this.#session;
    const spec = specs.get(this.#type);
    const values = { type: locale.typeName(this.#type, spec), range: rangeSegment(this.#chosen, locale).label };
    if (!newest) return locale.t(texts.chartEmpty, values);
    return locale.t(texts.chartLabel, {
      ...values,
      average: locale.aggregate(newest.average, spec),
      max: locale.aggregate(newest.max, spec),
      min: locale.aggregate(newest.min, spec),
      count: newest.devices,
    });
  }
}
