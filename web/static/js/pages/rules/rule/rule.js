// @ts-check
import { find, icon, setText, textElement } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { alertsOfRule } from '../../../components/rule/alerts-link.js';
import { conditionWords, kindName } from '../../../components/rule/words.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { decidedBy } from '../../../components/versions/decided-by.js';
import { VersionList } from '../../../components/versions/version-list.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { decodedId } from '../../../model/device-link.js';
import { RuleRequests } from '../../../model/rule-requests.js';
import { openByRule } from '../../../model/rules.js';
import { actionName, ruleChanges } from './changes.js';
import { showRule } from './rule-facts.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').DecidedRule} DecidedRule
 * @typedef {import('../../../model/rules.js').RuleVersion} RuleVersion
 */

/** How often the server is asked, and the least time between two drawings because of alerts, in milliseconds. */
const period = 5000;
const pace = 500;

/**
 * Shows one alert rule: what it says, in words, and its versions.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./rule.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new RulePage(root, session, signal).start();
}

class RulePage {
  #root;
  #session;
  #frames;
  #name;
  #request;
  #versions;
  /** @type {VersionList<RuleVersion>} */
  #list;
  /** @type {DecidedRule | null} */
  #rule = null;
  /** The newest first. @type {RuleVersion[]} */
  #decided = [];

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { path } = session.address;
    const rules = new RuleRequests(session.history);
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#name = decodedId(path) ?? path.slice(path.lastIndexOf('/') + 1);
    this.#request = session.ask((asking) => rules.one(this.#name, asking), (rule) => this.#apply(rule), signal);
    this.#versions = session.ask((asking) => rules.versions(this.#name, asking), ({ items }) => (this.#decided = items), signal);
    this.#list = new VersionList(this.#at('#rule-versions'), session, {
      empty: texts.noRuleVersions,
      name: (version) => actionName(version, this.#session.locale),
      what: (version, before) => (before && !before.deleted && !version.deleted ? ruleChanges(before, version, session) : ''),
      restorable: () => false,
      onRestore: () => {},
    });
    this.#at('#rule-problem button').addEventListener('click', () => this.#request.load(), { signal });
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { alerts, appearance, clock, plant } = this.#session;
    for (const store of [this.#request, this.#versions]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    alerts.subscribe(() => this.#frames.request(this.#draw, pace), { signal });
    for (const store of [appearance, plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
    clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
    }, { signal });
  }

  start() {
    find(this.#root, '#rule-list-link', HTMLAnchorElement).href = this.#session.href('rules');
    this.#show();
    this.#request.load();
  }

  /** @param {DecidedRule} rule */
  #apply(rule) {
    if (rule.version !== this.#rule?.version) this.#versions.load();
    this.#rule = rule;
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#draw();
  };

  #draw = () => {
    const { alerts, locale } = this.#session;
    const rule = this.#rule;
    setText(this.#at('#rule-title'), visible(this.#name));
    for (const part of this.#root.querySelectorAll('[data-part]')) /** @type {HTMLElement} */ (part).hidden = !rule;
    this.#showProblem(rule ? '' : this.#problem);
    const link = find(this.#root, '#rule-alerts-link', HTMLAnchorElement);
    link.hidden = !rule;
    if (!rule) return;
    const open = openByRule(alerts.pending).get(rule.name) ?? 0;
    setText(link, open > 0 ? locale.t(texts.itsAlerts, { count: open }) : locale.t(texts.itsPastAlerts));
    link.href = this.#session.href(open > 0 ? alertsOfRule(rule) : `${alertsOfRule(rule)}&view=history`);
    const place = [locale.t(terms[rule.severity]), kindName(rule.condition.kind, locale), conditionWords(rule, this.#session), rule.disabled ? locale.t(texts.ruleIsDisabled) : ''].filter(Boolean).join(' · ');
    const element = this.#at('#rule-place');
    if (element.textContent !== place) element.replaceChildren(icon(rule.severity, `severity-${rule.severity}`), textElement('span', place));
    setText(this.#at('#rule-origin'), this.#originWords(rule));
    showRule(this.#at('#rule-facts'), rule, this.#session);
    this.#list.show(this.#decided, rule.version);
  };

  /**
   * Where the rule comes from.
   *
   * @param {DecidedRule} rule
   */
  #originWords({ origin, version }) {
    const { clock, locale } = this.#session;
    if (origin === 'configuration') return locale.t(texts.ofFile);
    const decided = this.#decided.find((one) => one.version === version);
    return locale.t(texts.ofPeople, { by: decided ? decidedBy(decided, clock.now(), locale) : locale.t(terms.unknown) });
  }

  /** Why there is nothing to show; empty while it is being loaded. */
  get #problem() {
    const { locale } = this.#session;
    const { phase, reason, status } = this.#request;
    if (phase !== 'failed') return '';
    return status === 404 ? locale.t(texts.ruleUnknown, { name: visible(this.#name) }) : locale.t(texts.ruleFailed, { reason: reason || locale.t(terms.disconnected) });
  }

  /** @param {string} problem */
  #showProblem(problem) {
    const element = this.#at('#rule-problem');
    element.hidden = !problem;
    setText(find(element, 'p', HTMLElement), problem);
    find(element, 'button', HTMLButtonElement).hidden = this.#request.phase !== 'failed' || this.#request.status === 404;
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
