// @ts-check
import { offerChoices } from '../../components/choices.js';
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { closing } from '../../components/menu.js';
import { kindName } from '../../components/rule/words.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { terms } from '../../locale/terms.js';
import { severities } from '../../model/protocol.js';
import { RuleRequests } from '../../model/rule-requests.js';
import { kinds, openByRule, selectedRules } from '../../model/rules.js';
import { RuleRow } from './rule-row.js';
import { RulesImport } from './rules-import.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/rules.js').ShownRule} ShownRule
 * @typedef {import('../../model/rules.js').RuleQuery} RuleQuery
 */

/** How often the server is asked, and the least time between two drawings because of alerts, in milliseconds. */
const period = 5000;
const pace = 500;

/** The number of rows that are written in one frame. */
const rowsTogether = 8;

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** What narrows the list, by the names in the address. */
const filters = /** @type {const} */ (['search', 'kind', 'severity', 'type', 'state']);

/**
 * Shows the rules that raise alerts.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./rules.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new RulesPage(root, session, signal).start();
}

/** The list, drawn with each answer of the server and as alerts come and go. What narrows it is in the address. */
class RulesPage {
  #root;
  #session;
  #frames;
  #request;
  #state;
  #form;
  #import;
  /** @type {VirtualRows<RuleRow>} */
  #rows;
  /** @type {ShownRule[]} */
  #rules = [];
  /** Those that match. @type {ShownRule[]} */
  #listed = [];
  /** How many alerts of each rule are open. @type {Map<string, number>} */
  #open = new Map();
  /** Of which state of the alerts that is. */
  #counted = -1;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#form = find(root, '#rule-filters', HTMLFormElement);
    const list = find(root, '#rule-list tbody', HTMLElement);
    this.#rows = new VirtualRows({
      frame: this.#at('#rule-list'), list, make: () => new RuleRow(root), write: (row, i) => this.#write(row, i), keyOf: (i) => this.#listed[i]?.name, together: rowsTogether, printed: printedRows, signal,
    });
    const requests = new RuleRequests(session.history);
    this.#request = session.ask((asking) => requests.list({}, asking), ({ items }) => (this.#rules = items), signal);
    const empty = () => (this.#rules.length === 0 ? texts.noRuleAtAll : texts.rulesNoMatch);
    this.#state = new LoadState(this.#at('#rules-state'), session, { empty, failed: texts.rulesFailed, onRetry: () => this.#request.load() }, signal);
    this.#import = new RulesImport(find(root, '#rules-import', HTMLDialogElement), session, { requests, onImported: () => this.#request.load() }, signal);
    this.#follow(list, signal);
  }

  /**
   * @param {HTMLElement} list
   * @param {AbortSignal} signal
   */
  #follow(list, signal) {
    const { address, alerts, appearance, clock, plant } = this.#session;
    for (const store of [this.#request, address]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    alerts.subscribe(() => this.#frames.request(this.#draw, pace), { signal });
    clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
    }, { signal });
    for (const store of [appearance, plant]) store.subscribe(() => this.#show(), { signal });
    this.#form.addEventListener('input', () => address.replace(Object.fromEntries(filters.map((name) => [name, this.#control(name).value]))), { signal });
    this.#form.addEventListener('submit', (event) => event.preventDefault(), { signal });
    this.#form.addEventListener('reset', (event) => {
      event.preventDefault();
      address.replace(Object.fromEntries(filters.map((name) => [name, ''])));
      this.#control('search').focus(); // The button is gone.
    }, { signal });
    const menu = find(this.#root, '#rules-file', HTMLDetailsElement);
    closing(menu, signal);
    this.#at('#rules-import-open').addEventListener('click', () => {
      menu.open = false;
      this.#import.open();
    }, { signal });
    list.addEventListener('click', (event) => {
      // The whole row opens its rule.
      const row = event.target instanceof Element && !event.target.closest('a') ? event.target.closest('tr') : null;
      row?.querySelector('a')?.click();
    }, { signal });
  }

  start() {
    find(this.#root, '#rule-new', HTMLAnchorElement).href = this.#session.href('rules/new?new=1');
    find(this.#root, '#rules-export', HTMLAnchorElement).href = this.#session.href('api/v1/rules/export');
    this.#show();
    this.#request.load();
  }

  /** Everything in the present language. */
  #show() {
    translate(this.#root, this.#session.locale, texts);
    this.#import.show();
    this.#draw();
  }

  #draw = () => {
    const { address, alerts } = this.#session;
    const [search, kind, severity, type, state] = filters.map((name) => address.get(name));
    const query = /** @type {RuleQuery} */ ({ search, kind, severity, type, state });
    if (this.#counted !== alerts.version) {
      this.#counted = alerts.version;
      this.#open = openByRule(alerts.pending);
    }
    this.#listed = selectedRules(this.#rules, query, this.#open);
    this.#showFilters(query);
    this.#state.update(this.#request, { empty: this.#listed.length === 0 });
    this.#rows.show(this.#listed.length);
    this.#showNote();
  };

  #showNote() {
    const { locale } = this.#session;
    const [count, total] = [this.#listed.length, this.#rules.length];
    const disabled = this.#listed.filter((rule) => rule.disabled).length;
    const words = count < total ? locale.t(texts.rulesCountOf, { count, total }) : locale.t(terms.ruleCount, { count });
    setText(this.#at('#rules-note'), total === 0 ? '' : disabled > 0 ? locale.t(texts.rulesDisabled, { words, disabled }) : words);
  }

  /** @param {RuleQuery} query */
  #showFilters(query) {
    const { locale, plant } = this.#session;
    const severityNames = severities.map((one) => /** @type {[string, string]} */ ([one, locale.t(terms[one])]));
    /** @type {Record<string, [string, string][]>} */
    const choices = {
      kind: [['', locale.t(texts.anyKind)], ...[...kinds, 'offline'].map((kind) => /** @type {[string, string]} */ ([kind, kindName(kind, locale)]))],
      severity: [['', locale.t(terms.anySeverity)], ...severityNames],
      type: [['', locale.t(terms.allTypes)], ...[...plant.specs.keys()].map((type) => /** @type {[string, string]} */ ([type, this.#session.typeName(type)]))],
      state: [['', locale.t(texts.anyRuleState)], ['enabled', locale.t(texts.stateEnabled)], ['disabled', locale.t(texts.stateDisabled)], ['open', locale.t(texts.stateOpen)], ['failing', locale.t(texts.stateFailing)]],
    };
    for (const name of filters) {
      const control = this.#control(name);
      if (control instanceof HTMLSelectElement) offerChoices(control, choices[name] ?? [], query[name]);
      else if (control.value !== query[name]) control.value = query[name];
      control.classList.toggle('active', query[name] !== '');
    }
    find(this.#form, '[type="reset"]', HTMLButtonElement).hidden = filters.every((name) => query[name] === '');
  }

  /**
   * @param {RuleRow} row
   * @param {number} index
   */
  #write(row, index) {
    const rule = this.#listed[index];
    if (!rule) return;
    row.show(rule, this.#open.get(rule.name) ?? 0, this.#session);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }

  /** @param {string} name */
  #control(name) {
    const control = this.#form.elements.namedItem(name);
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement)) throw new Error(`the page has no ${name}`);
    return control;
  }
}
