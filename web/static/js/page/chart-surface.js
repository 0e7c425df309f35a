// @ts-check

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
  #disposed = false;
  #resizing;

  /**
   * @param {HTMLElement} container
   * @param {{onReady: () => void, onClick?: (name: string) => void}} listeners
   */
  constructor(container, listeners) {
    this.#resizing = new ResizeObserver(() => this.#chart?.resize());
    void this.#load(container, listeners);
  }

  /**
   * @param {HTMLElement} container
   * @param {{onReady: () => void, onClick?: (name: string) => void}} listeners
   */
  async #load(container, { onReady, onClick }) {
    const echarts = await import('../../vendor/echarts/echarts.esm.min.js');
    if (this.#disposed) return;
    this.#chart = echarts.init(container);
    this.#chart.on('click', (event) => onClick?.(event.name));
    this.#resizing.observe(container);
    onReady();
  }

  /**
   * Draws the whole chart anew; how it was zoomed is forgotten.
   *
   * @param {EChartsOption} option
   */
  draw(option) {
    this.#chart?.setOption(option, { notMerge: true, lazyUpdate: true });
  }

  /**
   * Changes a part of what is drawn, and leaves the zoom as it is.
   *
   * @param {EChartsOption} option
   */
  update(option) {
    this.#chart?.setOption(option, { lazyUpdate: true });
  }

  dispose() {
    this.#disposed = true;
    this.#resizing.disconnect();
    this.#chart?.dispose();
  }
}
