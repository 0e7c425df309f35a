// @ts-check

/**
 * @typedef {import('./device-list.js').Entry} Entry
 *
 * @typedef {object} Draft An entry as it is typed.
 * @property {string} name
 * @property {string} area
 * @property {string} unit
 * @property {string} interval In seconds.
 * @property {boolean} retired
 * @property {string} parent
 * @property {[name: string, value: string][]} labels
 * @property {[rule: string, limit: string][]} limits
 *
 * @typedef {Record<string, unknown>} Patch A JSON merge patch (RFC 7396): null removes.
 *
 * @typedef {{field: 'interval' | 'labels' | 'limits', kind: 'number' | 'nameless' | 'twice', name: string}} Mistake
 */

/**
 * Returns a draft that says what an entry says.
 *
 * @param {Entry} [entry]
 * @returns {Draft}
 */
export function draftOf({ name = '', area = '', unit = '', labels = {}, limits = {}, interval_seconds: interval, retired = false, parent = '' } = {}) {
  return {
    name, area, unit, retired, parent,
    interval: interval ? String(interval) : '',
    labels: Object.entries(labels),
    limits: Object.entries(limits).map(([rule, limit]) => [rule, String(limit)]),
  };
}

/**
 * Returns the entry that a draft says, or what is wrong with it. What the server alone knows, such as how long a name may be, it says.
 *
 * @param {Draft} draft
 * @returns {{entry: Entry, mistake: null} | {entry: null, mistake: Mistake}}
 */
export function entryOf({ name, area, unit, interval, retired, parent, labels, limits }) {
  const seconds = number(interval);
  if (seconds === null || seconds < 0) return { entry: null, mistake: { field: 'interval', kind: 'number', name: '' } };
  const given = labels.map(([label, value]) => /** @type {[string, string]} */ ([label.trim(), value.trim()])).filter(([label, value]) => label || value);
  for (const [i, [label]] of given.entries()) {
    if (!label) return { entry: null, mistake: { field: 'labels', kind: 'nameless', name: '' } };
    if (given.findIndex(([other]) => other === label) !== i) return { entry: null, mistake: { field: 'labels', kind: 'twice', name: label } };
  }
  /** @type {Record<string, number>} */
  const own = {};
  for (const [rule, text] of limits) {
    const limit = number(text);
    if (limit === null) return { entry: null, mistake: { field: 'limits', kind: 'number', name: rule } };
    if (text.trim() !== '') own[rule] = limit;
  }
  return { entry: { name: name.trim(), area: area.trim(), unit: unit.trim(), interval_seconds: seconds, retired, parent: parent.trim(), labels: Object.fromEntries(given), limits: own }, mistake: null };
}

/**
 * Returns the number that a text is, 0 for an empty one, null if it is none.
 *
 * @param {string} text
 */
function number(text) {
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : null;
}

/**
 * Returns what changes from one entry to another; empty if nothing does.
 *
 * @param {Entry} before
 * @param {Entry} after
 * @returns {Patch}
 */
export function patchOf(before, after) {
  /** @type {Patch} */
  const patch = {};
  for (const key of /** @type {const} */ (['name', 'area', 'unit', 'interval_seconds', 'retired', 'parent'])) {
    if ((before[key] || null) !== (after[key] || null)) patch[key] = after[key] || null;
  }
  for (const key of /** @type {const} */ (['labels', 'limits'])) {
    const inner = innerPatch(before[key] ?? {}, after[key] ?? {});
    if (Object.keys(inner).length > 0) patch[key] = inner;
  }
  return patch;
}

/**
 * @param {Record<string, unknown>} before
 * @param {Record<string, unknown>} after
 */
function innerPatch(before, after) {
  /** @type {Patch} */
  const patch = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) if (!Object.hasOwn(before, key) || before[key] !== value) patch[key] = value;
  return patch;
}

/**
 * Returns an entry to which a patch was applied.
 *
 * @param {Entry} entry
 * @param {Patch} patch
 * @returns {Entry}
 */
export function patched(entry, patch) {
  /** @type {Record<string, unknown>} */
  const next = { ...entry };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete next[key];
    else if (typeof value === 'object') next[key] = patched(/** @type {any} */ (next[key] ?? {}), /** @type {Patch} */ (value));
    else next[key] = value;
  }
  return next;
}

/** What an entry holds, in the order in which it is shown. */
export const entryKeys = /** @type {const} */ (['name', 'area', 'labels', 'limits', 'unit', 'interval_seconds', 'retired', 'parent']);

/**
 * Returns the parts in which two entries differ.
 *
 * @param {Entry} a
 * @param {Entry} b
 */
export function differences(a, b) {
  const patch = patchOf(a, b);
  return entryKeys.filter((key) => Object.hasOwn(patch, key));
}
