// @ts-check
import { levelNames } from './rules.js';

/**
 * @typedef {import('./protocol.js').Severity} Severity
 * @typedef {import('./rules.js').Condition} Condition
 * @typedef {import('./rules.js').LevelName} LevelName
 * @typedef {import('./rules.js').RuleBody} RuleBody
 * @typedef {import('./rules.js').Scope} Scope
 *
 * @typedef {object} TypedSpan A time as it is typed.
 * @property {string} text
 * @property {number} unit In seconds.
 *
 * @typedef {object} TypedScope
 * @property {string} area
 * @property {[string, string][]} labels Names and values.
 * @property {string} devices Ids, one in each line.
 *
 * @typedef {{limit: string, severity: Severity | ''}} TypedLevel Without a limit there is no such level.
 *
 * @typedef {TypedScope & {name: string, type: string, except: TypedScope[], kind: string, below: boolean, threshold: string, hysteresis: string, within: TypedSpan, limit: string,
 *   last: string, levels: Record<LevelName, TypedLevel>, expression: string, for: TypedSpan, clearFor: TypedSpan, severity: Severity, latch: boolean, disabled: boolean,
 *   text: string, textEn: string, procedure: string, decided: Condition}} RuleForm A rule as it is typed. What its kind has not, is kept, and counts for nothing. The threshold and the hysteresis of
 *   a fraction are in percent. Decided is the condition that it had, which stays as it is if its kind is not known here.
 *
 * @typedef {'threshold' | 'hysteresis' | 'within' | 'limit' | 'last' | 'below' | 'levels' | 'expression'} ConditionField
 * @typedef {'number' | 'missing' | 'pair'} MistakeKind
 * @typedef {{field: string, kind: MistakeKind}} FormMistake What is wrong with what was typed: the field is named as in the interface.
 */

/** The units in which times are typed, in seconds. */
export const spanUnits = /** @type {const} */ ([1, 60, 3600, 86400]);

/** The kinds that count values beyond a limit. */
const counting = ['count', 'fraction', 'of_last'];

/** What is typed for each kind. @type {Record<string, readonly ConditionField[]>} */
const fieldsOf = {
  threshold: ['below', 'threshold', 'hysteresis'],
  levels: ['levels', 'hysteresis'],
  rise: ['threshold', 'within', 'hysteresis'],
  fall: ['threshold', 'within', 'hysteresis'],
  stuck: ['threshold', 'within'],
  average: ['within', 'below', 'threshold', 'hysteresis'],
  maximum: ['within', 'below', 'threshold', 'hysteresis'],
  minimum: ['within', 'below', 'threshold', 'hysteresis'],
  count: ['within', 'below', 'limit', 'threshold', 'hysteresis'],
  fraction: ['within', 'below', 'limit', 'threshold', 'hysteresis'],
  of_last: ['last', 'below', 'limit', 'threshold', 'hysteresis'],
  deviation: ['threshold', 'hysteresis'],
  no_data: ['within'],
  expression: ['expression', 'threshold', 'within'],
};

/**
 * Which fields a condition of a kind has, in the order in which they are shown.
 *
 * @param {string} kind
 */
export function conditionFields(kind) {
  return fieldsOf[kind] ?? [];
}

/**
 * Whether a rule of a kind must be for one device type.
 *
 * @param {string} kind
 */
export function needsType(kind) {
  return !['stuck', 'no_data', 'expression', 'offline'].includes(kind);
}

/**
 * Whether a rule of a kind can be tried: device_offline also goes by reports, which are not archived.
 *
 * @param {string} kind
 */
export function canBeTried(kind) {
  return kind !== 'offline';
}

/** @param {string} kind */
export function countsValues(kind) {
  return counting.includes(kind);
}

/** A number as people type it. Binary fractions are rounded to what was typed. @param {number | undefined} value */
function typedNumber(value) {
  return value === undefined ? '' : String(Number(value.toPrecision(12)));
}

/** @param {number | undefined} seconds @returns {TypedSpan} */
function typedSpan(seconds) {
  if (!seconds) return { text: '', unit: 60 };
  const unit = [...spanUnits].reverse().find((one) => seconds % one === 0) ?? 1;
  return { text: typedNumber(seconds / unit), unit };
}

/** @param {Scope} scope @returns {TypedScope} */
function typedScope({ area = '', labels = {}, devices = [] }) {
  return { area, labels: Object.entries(labels), devices: devices.join('\n') };
}

/**
 * Returns a rule as it is typed.
 *
 * @param {RuleBody & {name?: string}} rule
 * @returns {RuleForm}
 */
export function formOf(rule) {
  const { condition: c } = rule;
  const percent = c.kind === 'fraction' ? 100 : 1;
  const number = (/** @type {number | undefined} */ value, factor = 1) => typedNumber(value === undefined ? undefined : value * factor);
  // What is 0 is left out by the server.
  const given = (/** @type {ConditionField} */ field, /** @type {number | undefined} */ value) => value ?? (conditionFields(c.kind).includes(field) && field !== 'hysteresis' && c.kind !== 'expression' ? 0 : undefined);
  return {
    ...typedScope(rule), name: rule.name ?? '', type: rule.device_type ?? '', except: (rule.except ?? []).map(typedScope), kind: c.kind, below: c.below ?? false,
    threshold: number(given('threshold', c.threshold), percent), hysteresis: number(c.hysteresis, percent), within: typedSpan(c.within_seconds), limit: number(given('limit', c.limit)),
    last: number(c.last), levels: typedLevels(c), expression: c.expression ?? '', for: typedSpan(rule.for_seconds), clearFor: typedSpan(rule.clear_for_seconds), severity: rule.severity,
    latch: rule.latch ?? false, disabled: rule.disabled ?? false, text: rule.text ?? '', textEn: rule.text_en ?? '', procedure: rule.procedure ?? '', decided: c,
  };
}

/** @param {Condition} condition */
function typedLevels({ levels = {} }) {
  const typed = (/** @type {LevelName} */ name) => ({ limit: typedNumber(levels[name]?.limit), severity: levels[name]?.severity ?? /** @type {const} */ ('') });
  return { low_low: typed('low_low'), low: typed('low'), high: typed('high'), high_high: typed('high_high') };
}

/** The form of a new rule. @returns {RuleForm} */
export function blankForm() {
  return { ...formOf({ condition: { kind: 'threshold' }, severity: 'warning' }), threshold: '' };
}

/**
 * Reads what was typed.
 *
 * @param {RuleForm} form
 * @returns {{body: RuleBody, mistakes: FormMistake[]}} With mistakes the body is not what was meant.
 */
export function bodyOf(form) {
  /** @type {FormMistake[]} */
  const mistakes = [];
  const number = (/** @type {string} */ field, /** @type {string} */ text, factor = 1) => {
    const value = Number(text.trim());
    if (Number.isFinite(value)) return Number((value * factor).toPrecision(15));
    mistakes.push({ field, kind: 'number' });
    return 0;
  };
  const span = (/** @type {string} */ field, /** @type {TypedSpan} */ { text, unit }) => number(field, text, unit);
  const scope = (/** @type {TypedScope} */ typed, /** @type {string} */ place) => readScope(typed, () => mistakes.push({ field: `${place}labels`, kind: 'pair' }));
  const [forSeconds, clearFor] = [form.kind === 'no_data' ? 0 : span('for_seconds', form.for), span('clear_for_seconds', form.clearFor)];
  /** @type {RuleBody} */
  const body = {
    ...(form.type && { device_type: form.type }), ...scope(form, ''), condition: readCondition(form, { number, span, missing: (field) => mistakes.push({ field, kind: 'missing' }) }), severity: form.severity,
    ...(forSeconds && { for_seconds: forSeconds }), ...(clearFor && { clear_for_seconds: clearFor }), ...(form.latch && { latch: true }), ...(form.disabled && { disabled: true }),
  };
  const except = form.except.map((one, i) => scope(one, `except[${i}].`)).filter((one) => Object.keys(one).length > 0);
  if (except.length > 0) body.except = except;
  for (const [key, text] of /** @type {const} */ ([['text', form.text], ['text_en', form.textEn], ['procedure', form.procedure]])) if (text.trim()) body[key] = text.trim();
  return { body, mistakes };
}

/**
 * @param {RuleForm} form
 * @param {{number: (field: string, text: string, factor?: number) => number, span: (field: string, typed: TypedSpan) => number, missing: (field: string) => void}} read
 * @returns {Condition}
 */
function readCondition(form, { number, span, missing }) {
  const { kind } = form;
  const has = (/** @type {ConditionField} */ field) => conditionFields(kind).includes(field);
  const percent = kind === 'fraction' ? 0.01 : 1;
  if (!fieldsOf[kind]) return form.decided;
  /** @type {Condition} */
  const condition = { kind };
  if (has('below') && form.below) condition.below = true;
  for (const field of /** @type {const} */ (['threshold', 'limit', 'last'])) {
    if (!has(field)) continue;
    const optional = field === 'threshold' && (kind === 'expression' || kind === 'stuck');
    if (form[field].trim() === '' && !optional) missing(`condition.${field}`);
    const value = number(`condition.${field}`, form[field], field === 'threshold' ? percent : 1);
    // What must be given is given also if it is 0.
    if (value !== 0 || !optional) condition[field] = value;
  }
  const hysteresis = has('hysteresis') ? number('condition.hysteresis', form.hysteresis, percent) : 0;
  if (hysteresis !== 0) condition.hysteresis = hysteresis;
  if (has('within')) {
    if (form.within.text.trim() === '' && kind !== 'expression') missing('condition.within_seconds');
    const within = span('condition.within_seconds', form.within);
    if (within !== 0) condition.within_seconds = within;
  }
  if (has('expression')) {
    condition.expression = form.expression.trim();
    if (!condition.expression) missing('condition.expression');
  }
  if (has('levels')) {
    const levels = levelNames.filter((name) => form.levels[name].limit.trim() !== '').map((name) => {
      const { limit, severity } = form.levels[name];
      return [name, { limit: number(`condition.levels.${name}`, limit), ...(severity && { severity }) }];
    });
    if (levels.length === 0) missing('condition.levels');
    condition.levels = Object.fromEntries(levels);
  }
  return condition;
}

/**
 * @param {TypedScope} typed
 * @param {() => void} nameless What to call if a label has no name, or that of another one.
 * @returns {Scope}
 */
function readScope({ area, labels, devices }, nameless) {
  const pairs = labels.map(([name, value]) => [name.trim(), value.trim()]).filter(([name, value]) => name || value);
  if (pairs.some(([name]) => name === '') || new Set(pairs.map(([name]) => name)).size < pairs.length) nameless();
  const ids = [...new Set(devices.split('\n').map((id) => id.trim()).filter(Boolean))];
  return { ...(area.trim() && { area: area.trim() }), ...(pairs.length > 0 && { labels: Object.fromEntries(pairs) }), ...(ids.length > 0 && { devices: ids }) };
}

/**
 * Whether two forms say the same.
 *
 * @param {RuleForm} a
 * @param {RuleForm} b
 */
export function sameForm(a, b) {
  if (a === b) return true;
  const [left, right] = [bodyOf(a), bodyOf(b)];
  if (left.mistakes.length + right.mistakes.length > 0) return JSON.stringify(a) === JSON.stringify(b);
  return a.name.trim() === b.name.trim() && JSON.stringify(ordered(left.body)) === JSON.stringify(ordered(right.body));
}

/** @param {unknown} value @returns {unknown} */
function ordered(value) {
  if (!value || typeof value !== 'object' || Array.isArray(value)) return Array.isArray(value) ? value.map(ordered) : value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, part]) => [key, ordered(part)]));
}

/**
 * Returns what somebody else has made of a form, with the fields that were changed here.
 *
 * @param {RuleForm} base
 * @param {RuleForm} mine
 * @param {RuleForm} theirs
 * @returns {RuleForm}
 */
export function rebasedForm(base, mine, theirs) {
  const changed = Object.entries(mine).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(base[/** @type {keyof RuleForm} */ (key)]));
  return { ...theirs, ...Object.fromEntries(changed) };
}
