// @ts-check
import { clipZoom, moveZoom, zoomOf } from '../model/zoom.js';

/**
 * @typedef {import('echarts').ECharts} ECharts
 * @typedef {import('echarts').EChartsOption} EChartsOption
 *
 * @typedef {object} Listeners
 * @property {() => void} onReady There is something to draw on.
 * @property {(name: string) => void} [onClick] A part of the chart has been clicked.
 * @property {() => void} [onHidden] A series has been hidden, or shown again.
 */

/**
 * One ECharts chart in an element. ECharts is large, so it is loaded with the first chart and the page does not wait for it:
 * until then there is nothing to draw on, and onReady is called when there is. The chart follows the size of its element.
 */
export class ChartSurface {
  /** @type {ECharts | null} */
  #chart = null;
  #resizing;
  #signal;
  /**
   * The part of the time axis that the reader looks at; null for all of it. It stays while the chart does not reach so far, as after the
   * server's restart, until the archive has answered.
   *
   * @type {import('../model/zoom.js').Zoom | null}
   */
  #zoom = null;
  /** The ends of the time axis, as they were drawn last. @type {import('../model/zoom.js').Bounds | null} */
  #bounds = null;

  /**
   * @param {HTMLElement} container
   * @param {Listeners} listeners
   * @param {AbortSignal} signal The chart ends with it.
   */
  constructor(container, listeners, signal) {
    this.#resizing = new ResizeObserver(() => this.#chart?.resize());
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#dispose(), { once: true });
    void this.#load(container, listeners);
  }

  /**
   * @param {HTMLElement} container
   * @param {Listeners} listeners
   */
  async #load(container, { onReady, onClick, onHidden }) {
    const echarts = await import('../../vendor/echarts/echarts.esm.min.js');
    if (this.#signal.aborted) return;
    this.#chart = echarts.init(container);
    this.#chart.on('click', (event) => onClick?.(event.name));
    this.#chart.on('legendselectchanged', () => onHidden?.());
    this.#chart.on('datazoom', () => {
      this.#zoom = zoomOf(this.#option.dataZoom?.[0]);
    });
    this.#resizing.observe(container);
    onReady();
  }

  /** The part of the time axis that is shown; null for all of it. */
  get zoom() {
    return this.#zoom && this.#bounds ? clipZoom(this.#zoom, this.#bounds) : null;
  }

  /** The ends of the time axis; null before anything has been drawn. */
  get bounds() {
    return this.#bounds;
  }

  /**
   * Shows another part of the time axis.
   *
   * @param {import('../model/zoom.js').Zoom | null} zoom
   */
  zoomTo(zoom) {
    const part = zoom ? { startValue: zoom.from, endValue: zoom.to } : { start: 0, end: 100 };
    this.#chart?.dispatchAction({ type: 'dataZoom', dataZoomIndex: 0, ...part });
    this.#zoom = zoom;
  }

  /**
   * Shows the tooltip at a time, as if the mouse were there.
   *
   * @param {number} time
   */
  pointAt(time) {
    const x = this.#chart?.convertToPixel({ xAxisIndex: 0 }, time);
    if (x !== undefined) this.#chart?.dispatchAction({ type: 'showTip', x, y: this.#chart.getHeight() / 2 });
  }

  /** Hides the tooltip. */
  pointNowhere() {
    this.#chart?.dispatchAction({ type: 'hideTip' });
    this.#chart?.dispatchAction({ type: 'updateAxisPointer', currTrigger: 'leave' });
  }

  /** The ids of the series that the reader has hidden. @returns {Set<string>} */
  get hidden() {
    return hiddenSeries(this.#option);
  }

  /**
   * Hides a series that is shown, and shows one that is hidden.
   *
   * @param {string} id
   */
  toggle(id) {
    const name = this.#option.series?.find((/** @type {any} */ one) => one.id === id)?.name;
    if (name) this.#chart?.dispatchAction({ type: 'legendToggleSelect', name });
  }

  /** @returns {any} What is drawn, with what the reader has changed of it. */
  get #option() {
    return this.#chart?.getOption() ?? {};
  }

  /**
   * Draws the whole chart anew: in another language or theme, or something else.
   *
   * @param {EChartsOption} option
   * @param {boolean} [same] that it shows the same as before: the zoom and what the reader has hidden stay.
   */
  draw(option, same = false) {
    const chart = this.#chart;
    if (!chart) return;
    const before = this.#option;
    if (!same) this.#zoom = null;
    this.#bounds = boundsOf(option);
    chart.setOption(option, { notMerge: true, lazyUpdate: true });
    if (!same || !before.series) return;
    const selected = renamed(before, this.#option);
    chart.setOption({ ...this.#movedZoom(option), ...(selected && { legend: { selected } }) }, { lazyUpdate: true });
  }

  /**
   * Changes a part of what is drawn. The reader goes on looking at the same times, or at the newest ones.
   *
   * @param {EChartsOption} option
   */
  update(option) {
    // At once rather than in a frame of its own, so that Frames knows what it costs.
    this.#chart?.setOption({ ...option, ...this.#movedZoom(option) });
    this.#bounds = boundsOf(option);
  }

  /**
   * Returns the part of the option that keeps the zoom, none where there is no zoom.
   *
   * @param {any} option With the bounds of the time axis.
   */
  #movedZoom(option) {
    const bounds = boundsOf(option);
    if (!this.#zoom || !bounds) return {};
    this.#zoom = moveZoom(this.#zoom, bounds);
    const shown = clipZoom(this.#zoom, bounds);
    const part = shown && { startValue: shown.from, endValue: shown.to };
    const all = { start: 0, end: 100 };
    return { dataZoom: [part ?? all, part ?? all] };
  }

  #dispose() {
    this.#resizing.disconnect();
    this.#chart?.dispose();
    this.#chart = null;
  }
}

/**
 * @param {any} option
 * @returns {import('../model/zoom.js').Bounds | null}
 */
function boundsOf({ xAxis: { min, max } = {} }) {
  return max === undefined ? null : { min, max };
}

/**
 * Returns the ids of the series that the reader has hidden.
 *
 * @param {any} option
 * @returns {Set<string>}
 */
function hiddenSeries({ legend, series = [] }) {
  const selected = legend?.[0]?.selected ?? {};
  return new Set(series.filter((/** @type {any} */ { name }) => selected[name] === false).map((/** @type {any} */ { id }) => id));
}

/**
 * Returns which series the reader has hidden, by their names in another language; null if all are shown.
 *
 * @param {any} before
 * @param {any} after
 */
function renamed(before, after) {
  const hidden = hiddenSeries(before);
  if (hidden.size === 0) return null;
  return Object.fromEntries(after.series.map((/** @type {any} */ { id, name }) => [name, !hidden.has(id)]));
}
