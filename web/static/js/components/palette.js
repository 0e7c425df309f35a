// @ts-check

/** The colours that charts need, by the name of their custom property. */
const names = /** @type {const} */ ({
  ink: '--ink',
  inkSoft: '--ink-soft',
  line: '--line',
  lineStrong: '--line-strong',
  surface: '--surface',
  raised: '--surface-raised',
  accent: '--accent',
  average: '--series-average',
  maximum: '--series-maximum',
  minimum: '--series-minimum',
  band: '--series-band',
  devices: '--series-devices',
  provisional: '--series-provisional',
  online: '--online',
  offline: '--ring-offline',
  offlineStripe: '--offline-stripe',
  warning: '--warning',
  critical: '--critical',
  info: '--info',
  ring: '--ring-border',
});

/** The size of the page's text for which charts are laid out, in pixels. */
const usualSize = 14;

/**
 * @typedef {Record<keyof typeof names | 'font', string> & {scale: number}} Palette Colours and the typeface, and how many times as large as
 *   usual the reader wants text.
 */

/**
 * Returns the colours of the present theme. A canvas does not know custom properties, and reading one gives the text it was
 * written as; the computed colour of an element is a colour. With forced colours they are the system's.
 *
 * @returns {Palette}
 */
export function currentPalette() {
  const probe = document.createElement('span');
  // With forced colours every text has one colour, also where the page names another of the system's.
  probe.style.setProperty('forced-color-adjust', 'none');
  document.body.append(probe);
  const computed = getComputedStyle(probe);
  const palette = /** @type {Palette} */ ({ font: computed.fontFamily, scale: parseFloat(getComputedStyle(document.documentElement).fontSize) / usualSize });
  for (const [name, property] of Object.entries(names)) {
    probe.style.color = `var(${property})`;
    palette[/** @type {keyof typeof names} */ (name)] = numeric(computed.color);
  }
  probe.remove();
  return palette;
}

/**
 * Returns a mixed colour as ECharts reads it; others as they are.
 *
 * @param {string} color
 */
function numeric(color) {
  const [, parts = ''] = /^color\(srgb (.*)\)$/.exec(color) ?? [];
  if (!parts) return color;
  const [red = 0, green = 0, blue = 0, alpha = 1] = parts.split(/[ /]+/).map(Number);
  return `rgba(${[red, green, blue].map((part) => Math.round(part * 255)).join(', ')}, ${alpha})`;
}
