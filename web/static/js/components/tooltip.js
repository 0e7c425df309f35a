// @ts-check
import { textElement } from './dom.js';

/**
 * Returns what a chart's tooltip shows. It is made of elements, because ECharts would interpret a text as HTML.
 *
 * @param {string} head
 * @param {[string, string][]} rows Names and values.
 */
export function tooltip(head, rows) {
  const list = document.createElement('dl');
  list.className = 'tooltip-rows';
  for (const [name, value] of rows) list.append(textElement('dt', name), textElement('dd', value));
  const element = document.createElement('div');
  element.append(textElement('span', head, 'tooltip-head'), list);
  return element;
}

/**
 * The look of a tooltip: compact, and never beyond the edge of its chart.
 *
 * @param {import('./palette.js').Palette} palette
 */
export function tooltipStyle(palette) {
  return {
    confine: true,
    padding: /** @type {[number, number]} */ ([6, 9]),
    backgroundColor: palette.raised,
    borderColor: palette.lineStrong,
    textStyle: { color: palette.ink, fontSize: 13 },
    transitionDuration: 0,
  };
}
