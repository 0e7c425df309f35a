// @ts-check

/** @typedef {import('./palette.js').Palette} Palette */

/** The sizes of text on charts. */
const small = 12;

/**
 * What every chart over time has in common: no animation, because a line that swings into place at each message draws the
 * eye to where nothing is wrong; a time axis that shows seconds only where they tell something; and a zoom.
 *
 * @param {Palette} palette
 */
export function timeChart(palette) {
  return {
    animation: false,
    textStyle: { color: palette.inkSoft, fontFamily: palette.font },
    axisPointer: { lineStyle: { color: palette.lineStrong, type: /** @type {const} */ ('solid') }, label: { show: false } },
  };
}

/**
 * @param {Palette} palette
 * @param {number} length How much time the axis shows, in milliseconds.
 */
export function timeAxis(palette, length) {
  return {
    type: /** @type {const} */ ('time'),
    splitLine: { show: false },
    axisLine: { lineStyle: { color: palette.lineStrong } },
    axisTick: { lineStyle: { color: palette.lineStrong } },
    axisLabel: {
      color: palette.inkSoft,
      fontSize: small,
      hideOverlap: true,
      formatter: length <= 30 * 60_000 ? '{HH}:{mm}:{ss}' : '{HH}:{mm}',
    },
  };
}

/**
 * @param {Palette} palette
 * @param {(value: number) => string} format
 */
export function valueAxis(palette, format) {
  return {
    type: /** @type {const} */ ('value'),
    scale: true,
    splitNumber: 4,
    splitLine: { lineStyle: { color: palette.line } },
    axisLabel: { color: palette.inkSoft, fontSize: small, formatter: format },
  };
}

/**
 * Zooming: by dragging the bar below the chart, by pinching, or with the wheel while Ctrl is held, so that the wheel alone
 * still moves the page.
 *
 * @param {Palette} palette
 */
export function zoom(palette) {
  return [
    {
      type: /** @type {const} */ ('inside'),
      zoomOnMouseWheel: /** @type {const} */ ('ctrl'),
      moveOnMouseWheel: false,
      filterMode: /** @type {const} */ ('none'),
    },
    {
      type: /** @type {const} */ ('slider'),
      height: 14,
      bottom: 4,
      filterMode: /** @type {const} */ ('none'),
      showDataShadow: false,
      showDetail: false,
      brushSelect: false,
      borderColor: palette.line,
      backgroundColor: 'transparent',
      fillerColor: palette.provisional,
      handleSize: 14,
      handleStyle: { color: palette.raised, borderColor: palette.lineStrong },
      moveHandleSize: 0,
    },
  ];
}
