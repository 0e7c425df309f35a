// @ts-check
import { zoomBy, zoomOnto } from '../model/zoom.js';
import { spoken } from './chart-values.js';
import { say } from './dom.js';
import { texts } from './texts.js';
import { tooltip } from './tooltip.js';

/**
 * @typedef {import('./chart-surface.js').ChartSurface} ChartSurface
 * @typedef {import('./chart-values.js').ValueRow} ValueRow
 * @typedef {import('../app/session.js').Session} Session
 */

/** How many points Page Up and Page Down move by. */
const stride = 10;

/** The share of the time that is still shown after zooming in once. */
const closer = 0.5;

/**
 * Lets the reader go through a chart over time by keyboard, and zoom it. The chart shows the tooltip of the present point, and its values
 * are read aloud; a gap is one step. Escape leaves.
 */
export class ChartKeyboard {
  #container;
  #surface;
  #session;
  #rows;
  #speaker;
  /** The time at which the keyboard stands; null for nowhere. @type {number | null} */
  #at = null;
  /** @type {Record<string, () => void>} */
  #keys = {
    ArrowLeft: () => this.#step(-1),
    ArrowRight: () => this.#step(1),
    PageUp: () => this.#step(-stride),
    PageDown: () => this.#step(stride),
    Home: () => this.#step(-Infinity),
    End: () => this.#step(Infinity),
    '+': () => this.#zoom(closer),
    '=': () => this.#zoom(closer), // Where + needs the shift key.
    '-': () => this.#zoom(1 / closer),
    0: () => this.#zoom(Infinity),
  };

  /**
   * @param {HTMLElement} container The chart's element, which has the focus.
   * @param {Session} session
   * @param {object} chart
   * @param {ChartSurface} chart.surface
   * @param {() => ValueRow[]} chart.rows What can be walked through, oldest first.
   * @param {HTMLElement} chart.speaker A live region.
   * @param {AbortSignal} signal
   */
  constructor(container, session, { surface, rows, speaker }, signal) {
    this.#container = container;
    this.#session = session;
    this.#surface = surface;
    this.#rows = rows;
    this.#speaker = speaker;
    container.addEventListener('keydown', (event) => this.#press(event), { signal });
    container.addEventListener('blur', () => this.#leave(), { signal });
    // The tooltip follows whatever moved last.
    container.addEventListener('pointermove', () => this.#leave(), { signal });
  }

  /** What the tooltip shows where the keyboard stands; null while it is nowhere. */
  get tooltip() {
    const row = this.#row;
    if (!row) return null;
    return tooltip(row.head, row.cells ? row.pairs : [[this.#session.locale.t(texts.gap), '']]);
  }

  /** The row where the keyboard stands; the nearest one when the chart has moved on. */
  get #row() {
    const rows = this.#at === null ? [] : this.#rows();
    return rows[nearest(rows, this.#at ?? 0)];
  }

  /** The chart has been drawn anew: the tooltip stays at its point. */
  update() {
    const row = this.#row;
    if (row) this.#surface.pointAt(row.at);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== this.#container) return;
    if (event.key === 'Escape' && this.#at !== null) {
      // The next one is that of whatever the chart is in.
      event.preventDefault();
      this.#leave();
    }
    const act = this.#keys[event.key];
    if (!act || !this.#surface.bounds) return;
    event.preventDefault();
    act();
  }

  #leave() {
    if (this.#at === null) return;
    this.#at = null;
    this.#speaker.textContent = '';
    this.#surface.pointNowhere();
  }

  /**
   * Goes on by so many rows; at first to the newest one that can be seen.
   *
   * @param {number} by
   */
  #step(by) {
    const rows = this.#rows();
    const { zoom, bounds } = this.#surface;
    const newest = rows.findLastIndex(({ at }) => at <= (zoom?.to ?? Infinity));
    const index = this.#at === null && Number.isFinite(by) ? newest : nearest(rows, this.#at ?? 0) + by;
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (!row || !bounds) return;
    this.#at = row.at;
    const onto = zoom && zoomOnto(zoom, bounds, row.at);
    if (onto !== zoom) this.#surface.zoomTo(onto);
    this.#surface.pointAt(row.at);
    say(this.#speaker, spoken(row, this.#session.locale));
  }

  /** @param {number} factor How much of what is shown is shown then. */
  #zoom(factor) {
    const { locale, clock } = this.#session;
    const { zoom, bounds } = this.#surface;
    if (!bounds) return;
    const next = zoomBy(zoom, bounds, factor, this.#at ?? undefined);
    this.#surface.zoomTo(next);
    this.update();
    const time = (/** @type {number} */ at) => locale.timeOrDate(at, clock.now());
    say(this.#speaker, next ? locale.t(texts.zoomed, { from: time(next.from), to: time(next.to) }) : locale.t(texts.zoomedOut));
  }
}

/**
 * Returns the index of the row that is nearest to a time, -1 if there is none.
 *
 * @param {ValueRow[]} rows
 * @param {number} time
 */
function nearest(rows, time) {
  const after = rows.findIndex(({ at }) => at >= time);
  const [before, next] = [rows[after - 1], rows[after]];
  if (!next) return rows.length - 1;
  return before && time - before.at < next.at - time ? after - 1 : after;
}
