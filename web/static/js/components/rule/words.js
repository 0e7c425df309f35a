// @ts-check
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { levelNames } from '../../model/rules.js';
import { labelWords } from '../registry/words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../locale/locale.js').Locale} Locale
 * @typedef {import('../../locale/locale.js').Text} Text
 * @typedef {import('../../model/protocol.js').TypeSpec} TypeSpec
 * @typedef {import('../../model/rules.js').Condition} Condition
 * @typedef {import('../../model/rules.js').RuleBody} RuleBody
 * @typedef {import('../../model/rules.js').RulePart} RulePart
 * @typedef {import('../../model/rules.js').Scope} Scope
 */

/** What each kind of condition is called. @type {Record<string, Text>} */
const kindTexts = {
  threshold: texts.kindThreshold, levels: texts.kindLevels, rise: texts.kindRise, fall: texts.kindFall, stuck: texts.kindStuck, average: texts.kindAverage, maximum: texts.kindMaximum,
  minimum: texts.kindMinimum, count: texts.kindCount, fraction: texts.kindFraction, of_last: texts.kindOfLast, deviation: texts.kindDeviation, no_data: texts.kindNoData, expression: texts.kindExpression, offline: texts.kindOffline,
};

/** What violates a condition, of the kinds that have a threshold or a limit. @type {Record<string, Text>} */
const whenTexts = {
  threshold: texts.whenThreshold, rise: texts.whenRise, fall: texts.whenFall, stuck: texts.whenStuck, average: texts.whenAverage, maximum: texts.whenMaximum, minimum: texts.whenMinimum,
  count: texts.whenCount, fraction: texts.whenFraction, of_last: texts.whenOfLast, deviation: texts.whenDeviation, no_data: texts.whenNoData, offline: texts.whenOffline,
};

/** @type {Record<import('../../model/rules.js').LevelName, Text>} */
export const levelTexts = { low_low: texts.levelLowLow, low: texts.levelLow, high: texts.levelHigh, high_high: texts.levelHighHigh };

/** What each part of a rule is called. @type {Record<RulePart, Text>} */
export const partNames = {
  condition: texts.partCondition, for_seconds: texts.partFor, clear_for_seconds: texts.partClearFor, severity: terms.severity, device_type: terms.deviceType, area: terms.area,
  labels: terms.labels, devices: texts.partDevices, except: texts.partExcept, latch: texts.partLatch, disabled: texts.partDisabled, text: texts.partTextZh, text_en: texts.partTextEn,
  procedure: terms.procedure,
};

/**
 * @param {string} kind
 * @param {Locale} locale
 */
export function kindName(kind, locale) {
  const text = kindTexts[kind];
  return text ? locale.t(text) : visible(kind);
}

/**
 * A time that somebody has given, in the largest unit that says it exactly.
 *
 * @param {number} seconds
 * @param {Locale} locale
 */
export function spanWords(seconds, locale) {
  /** @type {[number, Text][]} */
  const units = [[86400, terms.daysLong], [3600, terms.hoursLong], [60, terms.minutesLong]];
  const [size, text] = units.find(([size]) => seconds >= size && seconds % size === 0) ?? [1, terms.secondsLong];
  return locale.t(text, { count: locale.precise(seconds / size) });
}

/**
 * Says what violates a rule, in one sentence.
 *
 * @param {RuleBody} rule
 * @param {Session} session
 */
export function conditionWords({ condition, device_type: type = '' }, { locale, plant }) {
  const spec = plant.specs.get(type);
  const { below = false, expression = '', hysteresis = 0, kind, last = 0, limit = 0, threshold = 0, within_seconds: within = 0 } = condition;
  const quantity = (/** @type {number} */ value) => locale.threshold({ threshold: value }, spec);
  // A change of something that has states is a number.
  const change = (/** @type {number} */ value) => locale.threshold({ threshold: value }, spec && { ...spec, states: [] });
  const span = spanWords(within, locale);
  const counts = kind === 'count' || kind === 'fraction' || kind === 'of_last';
  const beyond = locale.t(below ? texts.below : texts.above, { limit: quantity(counts ? limit : threshold) });
  const percent = (/** @type {number} */ part) => `${locale.precise(Number((part * 100).toPrecision(12)))}%`;
  const share = percent(threshold);
  if (kind === 'expression') return within > 0 ? locale.t(texts.overSpan, { expression: visible(expression), span }) : visible(expression);
  const text = kind === 'stuck' && threshold === 0 ? texts.whenUnchanged : whenTexts[kind];
  const values = { beyond, change: change(threshold), span, number: locale.precise(threshold), share, last: locale.precise(last) };
  const words = kind === 'levels' ? locale.t(texts.whenLevels, { levels: levelWords(condition, quantity, locale) }) : text ? locale.t(text, values) : visible(kind);
  if (hysteresis === 0) return words;
  return locale.t(texts.withDeadband, { condition: words, hysteresis: kind === 'fraction' ? percent(hysteresis) : counts ? locale.precise(hysteresis) : change(hysteresis) });
}

/**
 * @param {Condition} condition
 * @param {(value: number) => string} quantity
 * @param {Locale} locale
 */
function levelWords({ levels = {} }, quantity, locale) {
  return levelNames.flatMap((name) => {
    const level = levels[name];
    if (!level) return [];
    const values = { level: locale.t(levelTexts[name]), limit: quantity(level.limit) };
    return [level.severity ? locale.t(texts.levelSeverity, { ...values, severity: locale.inline(terms[level.severity]) }) : locale.t(texts.levelLimit, values)];
  }).join(locale.t(terms.listSeparator));
}

/**
 * Says which devices match a scope; empty if all do.
 *
 * @param {Scope} scope
 * @param {Locale} locale
 */
export function scopeWords({ area = '', labels = {}, devices = [] }, locale) {
  return [
    area && locale.t(texts.scopeArea, { area: visible(area) }), labelWords(labels, locale),
    devices.length > 3 ? locale.t(terms.devicesCounted, { count: devices.length }) : devices.map(visible).join(locale.t(terms.listSeparator)),
  ].filter(Boolean).join(locale.t(terms.listSeparator));
}

/**
 * Says a part of a rule.
 *
 * @param {RulePart} part
 * @param {RuleBody} rule
 * @param {Session} session
 */
export function partWords(part, rule, session) {
  const { locale } = session;
  const none = locale.t(terms.unknown);
  switch (part) {
    case 'condition':
      return conditionWords(rule, session);
    case 'for_seconds':
    case 'clear_for_seconds':
      return rule[part] ? spanWords(rule[part], locale) : locale.t(texts.atOnce);
    case 'severity':
      return locale.t(terms[rule.severity]);
    case 'device_type':
      return rule.device_type ? session.typeName(rule.device_type) : locale.t(texts.everyType);
    case 'area':
      return visible(rule.area || locale.t(texts.everywhere));
    case 'labels':
      return labelWords(rule.labels ?? {}, locale) || none;
    case 'devices':
      return (rule.devices ?? []).map(visible).join(locale.t(terms.listSeparator)) || locale.t(texts.anyDevice);
    case 'except':
      return (rule.except ?? []).map((scope) => scopeWords(scope, locale)).join('; ') || none;
    case 'latch':
      return locale.t(rule.latch ? texts.latches : terms.no);
    case 'disabled':
      return locale.t(rule.disabled ? terms.no : terms.yes);
    case 'text':
    case 'text_en':
      return visible(rule[part] || locale.t(texts.theUsualText));
    case 'procedure':
      return visible(rule.procedure ?? '') || none;
  }
}
