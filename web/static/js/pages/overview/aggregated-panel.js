// @ts-check
import { HistoryError } from '../../model/history.js';
import { chartPoints, rangeLength, rangeStep, ranges, withoutLead } from '../../model/series.js';
import { archivedAfter, correctedPause } from '../../model/windows.js';
import { AggregatedChart } from './aggregated-chart.js';
import { find, setText } from '../../components/dom.js';
import { rangeSegment } from '../../components/range-segment.js';
import { Segmented } from '../../components/segmented.js';
import { TypeTiles } from './type-tiles.js';

/**
 * @typedef {import('../../model/series.js').Range} Range
 * @typedef {import('../../model/windows.js').WindowPoint} WindowPoint
 * @typedef {import('../../components/palette.js').Palette} Palette
 *
 * @typedef {object} AggregatedPanelOptions
 * @property {import('../../app/surroundings.js').Surroundings} surroundings
 * @property {import('../../app/preferences.js').Preferences} preferences
 * @property {import('../../model/history.js').History} history
 * @property {import('../../model/windows.js').WindowStore} windows
 * @property {Palette} palette
 */

/** How often the archive is asked while only it knows how the present step began, in milliseconds. */
const catchingUp = 30_000;

/** How soon the archive is asked again when it could not be, in milliseconds. */
const retryPause = 5_000;

/** The live range begins with the first window that there is, but shows no fewer points than this. */
const fewest = 12;

/** The aggregates of one device type over a range of time: archived ones first, live ones as they come. */
export class AggregatedPanel {
  #options;
  #chart;
  #tiles;
  #range;
  #container;
  #state;
  #palette;
  /** @type {WindowPoint[]} */
  #archived = [];
  /** The type that was loaded last, and when, by the server's clock. */
  #loaded = { type: '', at: 0 };
  /** Whether the archive is known to have changed since it was asked last. */
  #outdated = false;
  #found = '';
  /** @type {'loading' | 'loaded' | {failed: string}} */
  #phase = 'loading';
  #loading = new AbortController();

  /**
   * @param {HTMLElement} panel
   * @param {AggregatedPanelOptions} options
   */
  constructor(panel, options) {
    const { surroundings, preferences } = options;
    this.#options = options;
    this.#palette = options.palette;
    this.#container = find(panel, '#aggregated-chart', HTMLElement);
    this.#state = find(panel, '#aggregated-state', HTMLElement);
    this.#chart = new AggregatedChart(this.#container, surroundings, options.palette);
    this.#tiles = new TypeTiles(find(panel, '#type-tiles', HTMLElement), surroundings, (type) => {
      preferences.deviceType = type;
      this.reload();
    });
    this.#range = new Segmented(find(panel, '#range', HTMLElement), (range) => {
      preferences.range = range;
      this.reload();
    });
    find(this.#state, 'button', HTMLButtonElement).addEventListener('click', () => this.reload());
  }

  /** The type that the reader chose, or else the first one that there are readings of. */
  get #type() {
    const { preferences, surroundings, windows } = this.#options;
    const types = [...surroundings.specs.keys()];
    if (types.includes(preferences.deviceType)) return preferences.deviceType;
    if (!types.includes(this.#found)) this.#found = types.find((type) => windows.newest(type)) ?? '';
    return this.#found || (types[0] ?? '');
  }

  /** @returns {Range} */
  get #chosen() {
    const wanted = this.#options.preferences.range;
    return /** @type {Range} */ (ranges.find(({ name }) => name === wanted) ?? ranges[0]);
  }

  /** Loads the archived windows anew: after another choice, or when messages may have been missed. */
  async reload() {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#archived = [];
    this.#outdated = false;
    this.#phase = 'loading';
    await this.#load(signal);
  }

  /** @param {AbortSignal} signal */
  async #load(signal) {
    const { surroundings } = this.#options;
    this.#loaded = { type: this.#type, at: surroundings.now() };
    this.show(this.#palette);
    try {
      const archived = await this.#fetch(signal);
      if (signal.aborted) return;
      this.#archived = archived;
      this.#phase = 'loaded';
    } catch (error) {
      if (signal.aborted) return;
      this.#phase = { failed: error instanceof HistoryError ? error.message : surroundings.locale.t('disconnected') };
    }
    this.update();
  }

  /** Has the archive asked again soon: it has changed, or messages may have been missed. */
  outdate() {
    this.#outdated = true;
  }

  /**
   * Asks the archive again before the first live window that it had not seen is forgotten, or a page that is open all day
   * would show a hole; and sooner while the live windows do not reach back to the start of the present step. What is drawn
   * stays until the answer is there.
   */
  #refresh() {
    const { surroundings, windows } = this.#options;
    const now = surroundings.now();
    const step = rangeStep(this.#chosen, surroundings.windowSeconds) * 1000;
    const usual = archivedAfter * surroundings.windowSeconds * 1000;
    const pause = Math.floor(now / step) * step < windows.since ? Math.min(usual, catchingUp) : usual;
    const failed = typeof this.#phase === 'object';
    const due = failed ? retryPause : this.#outdated ? correctedPause : pause;
    if (this.#phase === 'loading' || now < this.#loaded.at + due) return;
    const { type } = this.#loaded;
    this.#loaded.at = now;
    this.#outdated = false;
    this.#fetch(this.#loading.signal).then(
      (archived) => {
        if (type !== this.#loaded.type) return;
        this.#archived = archived;
        this.#phase = 'loaded';
        this.update();
      },
      () => {
        // The next time may be luckier; until then the live windows are kept.
        this.#outdated = true;
      },
    );
  }

  /** @param {AbortSignal} signal */
  #fetch(signal) {
    const { surroundings, history } = this.#options;
    const step = rangeStep(this.#chosen, surroundings.windowSeconds);
    const length = rangeLength(this.#chosen, surroundings.windowSeconds);
    return history.windows({ type: this.#type, from: surroundings.now() - length, step }, signal);
  }

  /** Shows the newest windows. */
  update() {
    if (this.#type !== this.#loaded.type) return void this.reload();
    this.#refresh();
    this.#chart.updateData(this.#points());
    this.#describe();
  }

  /**
   * Shows everything anew: in another language, theme, range or type.
   *
   * @param {Palette} palette
   */
  show(palette) {
    this.#palette = palette;
    const { surroundings } = this.#options;
    this.#range.offer(ranges.map((range) => rangeSegment(range, surroundings.locale)));
    this.#range.value = this.#chosen.name;
    this.#tiles.offer(this.#type);
    const step = rangeStep(this.#chosen, surroundings.windowSeconds) * 1000;
    this.#chart.show({ points: this.#points(), spec: surroundings.specs.get(this.#type), step, range: this.#chosen.name }, palette);
    this.#describe();
  }

  #points() {
    const { surroundings, windows } = this.#options;
    const points = chartPoints({
      archived: this.#archived,
      live: windows.of(this.#type),
      since: windows.since,
      length: rangeLength(this.#chosen, surroundings.windowSeconds),
      step: rangeStep(this.#chosen, surroundings.windowSeconds) * 1000,
      now: surroundings.now(),
    });
    return this.#chosen.seconds === 0 ? withoutLead(points, fewest) : points;
  }

  /** Puts into words what a chart without lines means, and what one with lines shows. */
  #describe() {
    const { surroundings, windows } = this.#options;
    const { locale } = surroundings;
    const newest = this.#points().findLast((point) => point.count > 0);
    this.#tiles.update((type) => windows.newest(type));
    const failed = typeof this.#phase === 'object';
    const words = typeof this.#phase === 'object'
      ? locale.t('historyFailed', { reason: this.#phase.failed })
      : locale.t(this.#phase === 'loading' ? 'loading' : 'noWindows');
    // Live windows are worth showing even when the archive does not answer, but not without saying so.
    this.#state.hidden = Boolean(newest) && !failed;
    this.#state.classList.toggle('chart-state-corner', Boolean(newest));
    setText(find(this.#state, 'p', HTMLElement), words);
    find(this.#state, 'button', HTMLButtonElement).hidden = !failed;
    this.#container.setAttribute('aria-label', this.#label(newest));
  }

  /** @param {WindowPoint | undefined} newest */
  #label(newest) {
    const { locale, specs } = this.#options.surroundings;
    const spec = specs.get(this.#type);
    const values = { type: locale.typeName(this.#type, spec), range: rangeSegment(this.#chosen, locale).label };
    if (!newest) return locale.t('chartEmpty', values);
    return locale.t('chartLabel', {
      ...values,
      average: locale.aggregate(newest.average, spec),
      max: locale.aggregate(newest.max, spec),
      min: locale.aggregate(newest.min, spec),
      devices: newest.devices,
    });
  }
}
