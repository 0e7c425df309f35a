// @ts-check
import { find, instantiate, setIcon, setLongText, setText } from '../../components/dom.js';
import { alertsOfRule } from '../../components/rule/alerts-link.js';
import { conditionWords, kindName, scopeWords } from '../../components/rule/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { rulePath } from '../../model/rules.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/rules.js').ShownRule} ShownRule
 */

/** One rule in the list. Rows are used again for other ones. */
export class RuleRow {
  element;
  #cells;

  /** @param {ParentNode} root Where the row's template is. */
  constructor(root) {
    this.element = instantiate(root, 'rule-row', HTMLTableRowElement);
    const at = (/** @type {string} */ selector) => find(this.element, selector, HTMLElement);
    this.#cells = {
      icon: find(this.element, '.col-rule-severity svg', SVGElement), severity: at('.col-rule-severity span'), link: find(this.element, '.col-rule a', HTMLAnchorElement), narrow: at('.narrow'),
      kind: at('.col-rule-kind'), when: at('.col-when'), scope: at('.col-scope'), state: at('.col-rule-state'), open: find(this.element, '.col-open a', HTMLAnchorElement),
    };
  }

  /**
   * @param {ShownRule} rule
   * @param {number} open How many of its alerts are open.
   * @param {Session} session
   */
  show(rule, open, session) {
    const cells = this.#cells;
    const { locale } = session;
    const when = conditionWords(rule, session);
    setIcon(cells.icon, rule.severity, `severity-${rule.severity}`);
    setText(cells.severity, locale.t(terms[rule.severity]));
    setLongText(cells.link, visible(rule.name));
    cells.link.href = session.href(rulePath(rule.name));
    setLongText(cells.kind, kindName(rule.condition.kind, locale));
    setLongText(cells.when, when);
    setLongText(cells.scope, watchesWords(rule, session));
    const failing = rule.failing_devices ?? 0;
    const fails = failing > 0 ? locale.t(texts.failsOn, { count: failing }) : '';
    setText(cells.state, fails || locale.t(rule.disabled ? texts.stateDisabled : texts.stateEnabled));
    setText(cells.narrow, fails || when); // A narrow screen has no column for the state.
    cells.open.hidden = open === 0;
    setText(cells.open, open === 0 ? '' : locale.number(open));
    cells.open.setAttribute('aria-label', locale.t(texts.openHint, { count: open, rule: visible(rule.name) }));
    cells.open.href = session.href(alertsOfRule(rule));
    this.element.dataset['disabled'] = String(rule.disabled === true);
    this.element.dataset['failing'] = String(failing > 0);
  }
}

/**
 * Says which devices a rule watches, in short.
 *
 * @param {ShownRule} rule
 * @param {Session} session
 */
function watchesWords(rule, session) {
  const { locale } = session;
  const scope = scopeWords(rule, locale);
  const type = rule.device_type ? session.typeName(rule.device_type) : '';
  const words = scope && type ? locale.t(texts.watchesSome, { type, scope }) : scope || (type ? locale.t(texts.watchesAll, { type }) : locale.t(texts.watchesEvery));
  return rule.except ? locale.t(texts.watchesExcept, { words }) : words;
}
