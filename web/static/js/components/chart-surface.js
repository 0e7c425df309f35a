// @ts-check
import { moveZoom, zoomOf } from '../model/zoom.js';

/**
 * @typedef {import('echarts').ECharts} ECharts
 * @typedef {import('echarts').EChartsOption} EChartsOption
 */

/**
 * One ECharts chart in an element. ECharts is large, so it is loaded with the first chart and the page does not wait for it:
 * until then there is nothing to draw on, and onReady tells when there is. The chart follows the size of its element.
 */
export class ChartSurface {
  /** @type {ECharts | null} */
  #chart = null;
  #resizing;
  #signal;
  /** The part of the time axis that the reader looks at; null for all of it. @type {import('../model/zoom.js').Zoom | null} */
  #zoom = null;

  /**
   * @param {HTMLElement} container
   * @param {{onReady: () => void, onClick?: (name: string) => void}} listeners
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
   * @param {{onReady: () => void, onClick?: (name: string) => void}} listeners
   */
  async #load(container, { onReady, onClick }) {
    const echarts = await import('../../vendor/echarts/echarts.esm.min.js');
    if (this.#signal.aborted) return;
    this.#chart = echarts.init(container);
    this.#chart.on('click', (event) => onClick?.(event.name));
    this.#chart.on('datazoom', () => {
      this.#zoom = zoomOf(this.#option.dataZoom?.[0]);
    });
    this.#resizing.observe(container);
    onReady();
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
  }

  /**
   * Returns the part of the option that keeps the zoom, none where there is no zoom.
   *
   * @param {any} option With the bounds of the time axis.
   */
  #movedZoom(option) {
    if (!this.#zoom || option.xAxis?.max === undefined) return {};
    this.#zoom = moveZoom(this.#zoom, option.xAxis.min, option.xAxis.max);
    const part = this.#zoom && { startValue: this.#zoom.from, endValue: this.#zoom.to };
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
 * Returns which series the reader has hidden, by their names in another language; null if all are shown.
 *
 * @param {any} before
 * @param {any} after
 */
function renamed(before, after) {
  const selected = before.legend?.[0]?.selected ?? {};
  const hidden = new Set(before.series.filter((/** @type {any} */ { name }) => selected[name] === false).map((/** @type {any} */ { id }) => id));
  if (hidden.size === 0) return null;
  return Object.fromEntries(after.series.map((/** @type {any} */ { id, name }) => [name, !hidden.has(id)]));
}
