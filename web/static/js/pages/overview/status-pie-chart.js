// @ts-check
import { ChartSurface } from '../../components/chart-surface.js';
import { currentPalette } from '../../components/palette.js';
import { tooltip, tooltipStyle } from '../../components/tooltip.js';
import { terms } from '../../locale/terms.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/protocol.js').Status} Status
 * @typedef {import('../../app/session.js').Session} Session
 */

/** A ring of the devices that are online and offline; the offline part is striped, for those who see no colours. */
export class StatusPieChart {
  #surface;
  #session;
  #palette;
  #counts = { online: 0, offline: 0 };
  /** Whether the ring was drawn as old. */
  #stale = false;

  /**
   * @param {HTMLElement} container
   * @param {Session} session
   * @param {(status: Status) => void} onSelect
   * @param {AbortSignal} signal
   */
  constructor(container, session, onSelect, signal) {
    this.#session = session;
    this.#palette = currentPalette();
    this.#surface = new ChartSurface(container, {
      onReady: () => this.#draw(),
      onClick: (name) => onSelect(name === session.locale.t(terms.offline) ? 'offline' : 'online'),
    }, signal);
    session.freshness.subscribe(() => {
      if (session.freshness.stale !== this.#stale) this.#draw();
    }, { signal });
  }

  /** In another language or theme. */
  show() {
    this.#palette = currentPalette();
    this.#draw();
  }

  /** @param {{online: number, offline: number}} counts */
  updateStatus(counts) {
    if (counts.online === this.#counts.online && counts.offline === this.#counts.offline) return;
    this.#counts = counts;
    this.#surface.update({ series: [{ id: 'status', data: this.#data() }] });
  }

  #draw() {
    const palette = this.#palette;
    this.#stale = this.#session.freshness.stale;
    this.#surface.draw({
      animation: false,
      textStyle: { fontFamily: palette.font },
      tooltip: { trigger: 'item', ...tooltipStyle(palette), formatter: (/** @type {any} */ item) => this.#tooltip(item) },
      series: [
        {
          id: 'status',
          type: 'pie',
          radius: ['68%', '92%'],
          startAngle: 90,
          // One device of ten thousand must be seen too, beside the border.
          minAngle: 10,
          label: { show: false },
          labelLine: { show: false },
          emphasis: { scaleSize: 3 },
          itemStyle: { borderColor: palette.ring, borderWidth: 2 },
          data: this.#data(),
        },
      ],
    });
  }

  #data() {
    const { locale } = this.#session;
    const palette = this.#palette;
    const stripes = {
      symbol: 'rect',
      color: palette.offlineStripe,
      dashArrayX: /** @type {[number, number]} */ ([1, 0]),
      dashArrayY: /** @type {[number, number]} */ ([2, 4]),
      rotation: -Math.PI / 4,
    };
    const parts = [
      { name: locale.t(terms.online), value: this.#counts.online, itemStyle: { color: this.#stale ? palette.inkSoft : palette.online } },
      { name: locale.t(terms.offline), value: this.#counts.offline, itemStyle: { color: palette.offline, decal: stripes } },
    ];
    // Even a part of nothing would get the smallest angle.
    return parts.filter(({ value }) => value > 0);
  }

  /** @param {{name: string, value: number, percent: number}} item */
  #tooltip({ name, value, percent }) {
    const { locale } = this.#session;
    return tooltip(locale.t(texts.statusTitle), [[name, `${locale.number(value)} (${locale.number(percent, 1)}%)`]]);
  }
}
