// @ts-check

/** @typedef {import('./palette.js').Palette} Palette */

/**
 * The size of text on charts, in pixels: it follows that of the page.
 *
 * @param {Palette} palette
 */
export function textSize(palette) {
  return 12 * palette.scale;
}

/**
 * What every chart over time has in common: no animation, because a line that swings into place at each message draws the
 * eye to where nothing is wrong; a time axis that shows seconds only where they matter; and a zoom.
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
 * @param {import('../locale/locale.js').Locale} locale
 * @param {number} length How much time the axis shows, in milliseconds.
 */
export function timeAxis(palette, locale, length) {
  const day = locale.language === 'zh' ? '{MM}-{dd}' : '{dd}/{MM}';
  return {
    type: /** @type {const} */ ('time'),
    splitLine: { show: false },
    // At the bottom, also where values lie on both sides of zero.
    axisLine: { onZero: false, lineStyle: { color: palette.lineStrong } },
    axisTick: { lineStyle: { color: palette.lineStrong } },
    axisLabel: {
      color: palette.inkSoft,
      fontSize: textSize(palette),
      hideOverlap: true,
      // Where a day begins the axis says which.
      formatter: length <= 30 * 60_000 ? '{HH}:{mm}:{ss}' : { year: day, month: day, day, hour: '{HH}:{mm}', minute: '{HH}:{mm}' },
    },
  };
}

/**
 * @param {Palette} palette
 * @param {string} unit
 * @param {(value: number) => string} format
 */
export function valueAxis(palette, unit, format) {
  return {
    type: /** @type {const} */ ('value'),
    name: unit,
    nameGap: 9,
    nameTextStyle: { color: palette.inkSoft, fontSize: textSize(palette), align: /** @type {const} */ ('right'), padding: [0, 8, 0, 0] },
    scale: true,
    splitNumber: 4,
    splitLine: { lineStyle: { color: palette.line } },
    axisLabel: { color: palette.inkSoft, fontSize: textSize(palette), formatter: format },
  };
}

/**
 * The bounds of an axis of named states: one tick for each, and one for the half of two.
 *
 * @param {string[]} states
 */
export function stateBounds(states) {
  const last = Math.max(1, states.length - 1);
  return { min: 0, max: last, interval: last === 1 ? 0.5 : 1 };
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
