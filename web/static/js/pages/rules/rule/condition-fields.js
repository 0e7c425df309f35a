// @ts-check
import { html, nothing } from '../../../../vendor/lit-html/lit-html.js';
import { levelTexts } from '../../../components/rule/words.js';
import { terms } from '../../../locale/terms.js';
import { severities } from '../../../model/protocol.js';
import { conditionFields, countsValues } from '../../../model/rule-form.js';
import { levelNames } from '../../../model/rules.js';
import { choiceField, limitField, spanField, textField } from '../../../components/form/fields.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rule-form.js').RuleForm} RuleForm
 * @typedef {import('../../../model/rule-form.js').ConditionField} ConditionField
 *
 * @typedef {object} Editing What fields need.
 * @property {RuleForm} form
 * @property {Session} session
 * @property {(name: string) => string} errorAt What is wrong with a field; empty if nothing is.
 * @property {(change: Partial<RuleForm>) => void} onChange
 */

/** What the threshold of each kind is called, where that says more. @type {Record<string, import('../../../locale/locale.js').Text>} */
const thresholdNames = {
  rise: texts.fieldChange, fall: texts.fieldChange, stuck: texts.fieldLargestChange, count: texts.fieldMoreThan, of_last: texts.fieldMoreThan, fraction: texts.fieldMoreThan, expression: texts.fieldThresholdName,
  deviation: texts.fieldDifference,
};

/**
 * What a condition of the kind that is chosen consists of.
 *
 * @param {Editing} editing
 */
export function conditionPart(editing) {
  const fields = conditionFields(editing.form.kind);
  if (fields.length === 0) return html`<p class="soft wide">${editing.session.locale.t(texts.conditionFixed)}</p>`;
  return html`${fields.map((field) => conditionField(field, editing))}`;
}

/**
 * @param {ConditionField} field
 * @param {Editing} editing
 */
function conditionField(field, editing) {
  const { errorAt, form, onChange, session } = editing;
  const { locale, plant } = session;
  const unit = plant.specs.get(form.type)?.unit ?? '';
  const counts = countsValues(form.kind);
  const ownUnit = form.kind === 'fraction' ? '%' : counts || form.kind === 'expression' ? '' : unit;
  const name = `condition.${field}`;
  const numeric = (/** @type {'threshold' | 'hysteresis' | 'limit' | 'last'} */ key, /** @type {string} */ label, /** @type {string} */ of, hint = '') =>
    textField({ name, label, value: form[key], unit: of, numeric: true, longest: 24, error: errorAt(name), hint, onType: (text) => onChange({ [key]: text }) });
  switch (field) {
    case 'below':
      return choiceField({
        name, label: locale.t(counts ? texts.fieldCounted : texts.fieldSide), value: form.below ? 'below' : 'above', error: errorAt(name),
        choices: [['above', locale.t(texts.sideAbove)], ['below', locale.t(texts.sideBelow)]], onChoose: (side) => onChange({ below: side === 'below' }),
      });
    case 'threshold':
      return numeric(field, locale.t(thresholdNames[form.kind] ?? texts.fieldThreshold), ownUnit, form.kind === 'deviation' ? locale.t(texts.differenceHint) : '');
    case 'limit':
      return numeric(field, locale.t(texts.fieldLimit), unit);
    case 'last':
      return numeric(field, locale.t(texts.fieldLast), '');
    case 'hysteresis':
      return numeric(field, locale.t(texts.fieldHysteresis), ownUnit, locale.t(texts.hysteresisHint));
    case 'within':
      return spanField({ name: 'condition.within_seconds', label: locale.t(form.kind === 'no_data' ? texts.fieldSilent : texts.fieldWithin), span: form.within, error: errorAt('condition.within_seconds'), onType: (within) => onChange({ within }) }, locale);
    case 'expression':
      return textField({ name, label: locale.t(texts.fieldExpression), value: form.expression, lines: 3, longest: 1000, wide: true, error: errorAt(name), hint: locale.t(texts.expressionHint), onType: (expression) => onChange({ expression }) });
    case 'levels':
      return levelFields(editing, unit);
  }
}

/**
 * The limits of levels, the highest first, as on a scale.
 *
 * @param {Editing} editing
 * @param {string} unit
 */
function levelFields({ errorAt, form, onChange, session: { locale } }, unit) {
  /** @type {[string, string][]} */
  const choices = [['', locale.t(texts.severityOfRule)], ...severities.map((one) => /** @type {[string, string]} */ ([one, locale.t(terms[one])]))];
  const missing = errorAt('condition.levels');
  return html`<div class="levels wide" role="group" aria-label=${locale.t(texts.fieldLevels)}>${[...levelNames].reverse().map((name) => {
    const level = form.levels[name];
    const change = (/** @type {Partial<typeof level>} */ part) => onChange({ levels: { ...form.levels, [name]: { ...level, ...part } } });
    const words = locale.t(levelTexts[name]);
    return limitField({
      name: `condition.levels.${name}`, label: words, value: level.limit, unit, error: errorAt(`condition.levels.${name}`), choices, chosen: level.severity,
      chosenLabel: locale.t(texts.severityOfLevel, { level: words }), onType: (limit) => change({ limit }), onChoose: (severity) => change({ severity: /** @type {typeof level.severity} */ (severity) }),
    });
  })}${missing ? html`<p class="field-error">${missing}</p>` : nothing}</div>`;
}
