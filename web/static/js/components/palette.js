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
  offline: '--offline',
  offlineStripe: '--offline-stripe',
  warning: '--warning',
  critical: '--critical',
  info: '--info',
});

/** @typedef {Record<keyof typeof names | 'font', string>} Palette */

/**
 * Returns the colours of the present theme. A canvas does not know custom properties, and reading one gives the text it was
 * written as; the computed colour of an element is a colour.
 *
 * @returns {Palette}
 */
export function currentPalette() {
  const probe = document.createElement('span');
  // With forced colours every text has one colour, and everything in a chart would look alike.
  probe.style.setProperty('forced-color-adjust', 'none');
  document.body.append(probe);
  const computed = getComputedStyle(probe);
  const palette = /** @type {Palette} */ ({ font: computed.fontFamily });
  for (const [name, property] of Object.entries(names)) {
    probe.style.color = `var(${property})`;
    palette[/** @type {keyof Palette} */ (name)] = computed.color;
  }
  probe.remove();
  return palette;
}
