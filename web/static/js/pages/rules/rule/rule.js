// @ts-check
import { find, icon, setText, textElement } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { alertsOfRule } from '../../../components/rule/alerts-link.js';
import { ruleChanges } from '../../../components/rule/changes.js';
import { conditionWords, kindName } from '../../../components/rule/words.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { decidedBy } from '../../../components/versions/decided-by.js';
import { VersionList } from '../../../components/versions/version-list.js';
import { whyOf } from '../../../components/versions/why.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { decodedId } from '../../../model/device-link.js';
import { HistoryError } from '../../../model/history.js';
import { RuleDraft } from '../../../model/rule-draft.js';
import { formOf } from '../../../model/rule-form.js';
import { RuleRequests } from '../../../model/rule-requests.js';
import { openByRule, rulePath } from '../../../model/rules.js';
import { actionName } from './action-name.js';
import { DecisionPart } from './decision-part.js';
import { showFailing } from './failing.js';
import { showMedians } from './medians.js';
import { showPoints } from './points.js';
import { RuleEditor } from './rule-editor.js';
import { showRule } from './rule-facts.js';
import { RuleQuestion } from './rule-question.js';
import { texts } from './texts.js';
import { TrialPanel } from './trial-panel.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/rules.js').DecidedRule} DecidedRule
 * @typedef {import('../../../model/rules.js').RuleVersion} RuleVersion
 */

/** How often the server is asked what is decided, and while that is not in force; the least time between two drawings because of alerts; in milliseconds. */
const period = 5000;
const waitingPeriod = 2000;
const pace = 500;

/**
 * Shows one alert rule: what it says, its versions, and what it would have raised; edits it, or a new one.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const { address } = session;
  const isFresh = () => address.get('new') !== '';
  let fresh = isFresh();
  let showing = new AbortController();
  const show = async () => {
    showing.abort();
    showing = new AbortController();
    const until = AbortSignal.any([showing.signal, signal]);
    const content = await loadTemplate('./rule.html', import.meta.url, until);
    if (until.aborted) return;
    root.replaceChildren(content);
    new RulePage(root, session, until).start();
  };
  await show();
  // A new rule may be called as the page of new rules is.
  address.subscribe(() => {
    if (isFresh() === fresh) return;
    fresh = isFresh();
    void show();
  }, { signal });
}

class RulePage {
  #root;
  #session;
  #frames;
  /** The rule's; empty for a new one. */
  #name;
  /** Of which rule the new one is a copy; empty for none. */
  #from;
  #requests;
  #request;
  #versions;
  /** @type {VersionList<RuleVersion>} */
  #list;
  #draft;
  #editor;
  #decision;
  #question;
  #trial;
  /** The newest first. @type {RuleVersion[]} */
  #decided = [];
  /** What was read last, with what becomes different without another version. @type {DecidedRule | null} */
  #read = null;
  /** Whether there is no such rule any more. */
  #gone = false;
  /** Whether the form was shown last. */
  #edited = false;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { address } = session;
    const fresh = address.get('new') !== '';
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#name = fresh ? '' : decodedId(address.path) ?? address.path.slice(address.path.lastIndexOf('/') + 1);
    this.#from = fresh ? address.get('from') : '';
    this.#requests = new RuleRequests(session.history);
    this.#draft = new RuleDraft(this.#requests, { name: this.#name, onDecided: () => this.#renew() }, signal);
    this.#request = session.ask((asking) => this.#present(asking), (rule) => this.#apply(rule), signal);
    this.#versions = session.ask((asking) => this.#requests.versions(this.#name, asking), ({ items }) => (this.#decided = items), signal);
    this.#editor = new RuleEditor(this.#at('#rule-form'), session, { draft: this.#draft, fresh, requests: this.#requests }, signal);
    this.#trial = new TrialPanel(this.#at('#trial'), session, {
      requests: this.#requests, subject: () => this.#subject, check: () => !this.#editing || this.#editor.check(), onRefused: (error) => (this.#editor.refused = error),
    }, signal);
    this.#question = new RuleQuestion(find(root, '#rule-question', HTMLDialogElement), session, {
      draft: this.#draft, openAlerts: () => this.#openAlerts, onConfirm: (question, reason) => void this.#confirmed(question, reason),
    }, signal);
    this.#decision = new DecisionPart(root, session, this.#draft, {
      onEdit: () => address.push({ edit: '1' }), onView: () => this.#leaveForm(), onSave: (reason) => void this.#save(reason), onDelete: () => this.#question.open({ kind: 'delete' }), onToggle: () => this.#toggle(),
    });
    this.#list = new VersionList(this.#at('#rule-versions'), session, {
      empty: texts.noRuleVersions,
      name: (version) => actionName(version, session.locale),
      what: (version, before) => (before && !before.deleted && !version.deleted ? ruleChanges(before, version, session) : ''),
      restorable: ({ deleted }) => !deleted,
      onRestore: (version) => this.#question.open({ kind: 'restore', version }),
    });
    session.unsaved.watch(() => this.#draft.loss, signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { address, alerts, appearance, clock, plant } = this.#session;
    for (const store of [this.#request, this.#versions, address]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    this.#draft.subscribe(() => this.#draw(), { signal }); // What is typed is drawn at once.
    alerts.subscribe(() => this.#frames.request(this.#draw, pace), { signal });
    for (const store of [appearance, plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
    clock.subscribe(() => {
      if (!document.hidden && this.#name) this.#request.renew(this.#draft.base?.in_force === false ? waitingPeriod : period);
    }, { signal });
    this.#at('#rule-problem button').addEventListener('click', () => this.#request.load(), { signal });
    this.#at('#rule-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#save(whyOf(this.#root));
    }, { signal });
  }

  start() {
    find(this.#root, '#rule-list-link', HTMLAnchorElement).href = this.#session.href('rules');
    if (!this.#name) this.#draft.fresh();
    this.#show();
    if (this.#name || this.#from) this.#request.load();
  }

  /**
   * The rule, or the one that is copied; null if there is none.
   *
   * @param {AbortSignal} signal
   */
  async #present(signal) {
    try {
      return await this.#requests.one(this.#name || this.#from, signal);
    } catch (error) {
      if (error instanceof HistoryError && error.status === 404) return null;
      throw error;
    }
  }

  /** @param {DecidedRule | null} rule */
  #apply(rule) {
    if (!this.#name) {
      if (rule && !this.#draft.dirty) this.#draft.edit({ ...formOf(rule), name: '' });
      return;
    }
    this.#gone = rule === null;
    this.#read = rule;
    if (rule) this.#draft.take(rule);
    else if (this.#versions.phase === 'idle') this.#versions.load();
    // Restoring a version adds it again.
    if (!rule && (this.#draft.base?.version ?? 1) > 0 && !this.#draft.dirty) this.#draft.fresh();
  }

  /** Something else is decided: another version. */
  #renew() {
    if (this.#name) this.#versions.load();
  }

  /** Whether the form is shown. */
  get #editing() {
    return !this.#name || (!this.#gone && this.#session.address.get('edit') !== '');
  }

  get #openAlerts() {
    return openByRule(this.#session.alerts.pending).get(this.#name) ?? 0;
  }

  /** What can be tried; null while nothing is known. @returns {import('./trial-panel.js').Subject | null} */
  get #subject() {
    const { base, dirty, typed } = this.#draft;
    if (!base || this.#gone) return null;
    const edited = !this.#name || dirty;
    return { name: edited ? this.#name : '', body: typed.body, edited };
  }

  /** Leaves the form: what was typed is forgotten. */
  #leaveForm() {
    this.#draft.reset();
    const { address } = this.#session;
    if (this.#name) address.push({ edit: '' });
    else this.#open('rules');
  }

  /** @param {string} path Below the root. */
  #open(path) {
    const { pathname, search } = new URL(this.#session.href(path));
    this.#session.address.open({ pathname, search });
  }

  /** @param {string} reason */
  async #save(reason) {
    if (!this.#editor.check()) return;
    await this.#draft.save(reason);
    if (!this.#draft.made) {
      this.#editor.focusMistake();
      return;
    }
    if (!this.#name) this.#open(rulePath(this.#draft.name));
    else this.#session.address.replace({ edit: '' });
    this.#decision.focus();
  }

  #toggle() {
    const { base } = this.#draft;
    if (!base) return;
    if (base.disabled) void this.#draft.decideAs({ ...base, disabled: false });
    else this.#question.open({ kind: 'disable' });
  }

  /**
   * @param {import('./rule-question.js').Question} question
   * @param {string} reason
   */
  async #confirmed(question, reason) {
    const { base } = this.#draft;
    this.#decision.focus();
    if (question.kind === 'restore') await this.#draft.decideAs(question.version, reason);
    else if (question.kind === 'disable' && base) await this.#draft.decideAs({ ...base, disabled: true }, reason);
    else await this.#draft.remove(reason);
    if (!this.#draft.made) return;
    if (question.kind === 'delete') this.#open('rules');
    else this.#gone = false;
    this.#draw();
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#question.show();
    this.#draw();
  };

  #draw = () => {
    const { address, locale } = this.#session;
    const { base } = this.#draft;
    const editing = this.#editing && base !== null;
    const known = !this.#name || (base !== null && base.version > 0 && !this.#gone);
    setText(this.#at('#rule-title'), this.#name ? visible(this.#name) : this.#from ? locale.t(texts.copyOf, { name: visible(this.#from) }) : locale.t(texts.newRule));
    for (const part of this.#parts) part.hidden = part.dataset['part'] === 'versions' ? !this.#name || !(known || this.#gone) : !known;
    this.#showProblem(this.#problem);
    this.#showPlace(known ? base : null);
    const now = known && this.#read?.version === base?.version ? this.#read : null;
    showFailing(this.#at('#rule-failing'), now?.failing, this.#session);
    showMedians(this.#at('#rule-medians'), now?.medians, this.#session);
    showPoints(this.#at('#rule-points'), now?.points, this.#session);
    setText(this.#at('#rule-origin'), this.#originWords(base));
    this.#at('#rule-view').hidden = editing;
    this.#at('#rule-form').hidden = !editing;
    if (editing && !this.#edited) {
      this.#editor.open();
      if (address.get('edit')) this.#editor.focus();
    }
    this.#edited = editing;
    if (editing) this.#editor.show();
    else if (base && base.version > 0) showRule(this.#at('#rule-facts'), base, this.#session);
    this.#decision.show({ editing, fresh: !this.#name, by: (version) => this.#by(version) });
    this.#trial.show();
    this.#list.show(this.#decided, this.#gone ? undefined : base?.version);
  };

  /** @returns {NodeListOf<HTMLElement>} */
  get #parts() {
    return this.#root.querySelectorAll('[data-part]');
  }

  /** What the rule is, in one line, and how many of its alerts are open. @param {DecidedRule | null} rule */
  #showPlace(rule) {
    const { locale } = this.#session;
    const link = find(this.#root, '#rule-alerts-link', HTMLAnchorElement);
    const element = this.#at('#rule-place');
    link.hidden = !this.#name || !rule;
    if (!this.#name || !rule) {
      element.replaceChildren();
      return;
    }
    const open = this.#openAlerts;
    setText(link, open > 0 ? locale.t(texts.itsAlerts, { count: open }) : locale.t(texts.itsPastAlerts));
    link.href = this.#session.href(open > 0 ? alertsOfRule(rule) : `${alertsOfRule(rule)}&view=history`);
    const words = [locale.t(terms[rule.severity]), kindName(rule.condition.kind, locale), conditionWords(rule, this.#session), rule.disabled ? locale.t(texts.ruleIsDisabled) : ''];
    const place = words.filter(Boolean).join(' · ');
    if (element.textContent !== place) element.replaceChildren(icon(rule.severity, `severity-${rule.severity}`), textElement('span', place));
  }

  /**
   * Where the rule comes from.
   *
   * @param {DecidedRule | null} rule
   */
  #originWords(rule) {
    const { locale } = this.#session;
    if (!this.#name) return locale.t(texts.ofNobody);
    if (!rule) return '';
    return rule.origin === 'configuration' ? locale.t(texts.ofFile) : locale.t(texts.ofPeople, { by: this.#by(rule.version) });
  }

  /**
   * Who has decided a version, and when; a dash while that is not known.
   *
   * @param {number} version
   */
  #by(version) {
    const { clock, locale } = this.#session;
    const decided = this.#decided.find((one) => one.version === version);
    return decided ? decidedBy(decided, clock.now(), locale) : locale.t(terms.unknown);
  }

  /** Why there is nothing to show; empty if there is, or it is being loaded. */
  get #problem() {
    const { locale } = this.#session;
    const { phase, reason } = this.#request;
    if (this.#gone) return locale.t(this.#decided.length > 0 ? texts.ruleGone : texts.ruleUnknown, { name: visible(this.#name) });
    return phase === 'failed' && this.#name ? locale.t(texts.ruleFailed, { reason: reason || locale.t(terms.disconnected) }) : '';
  }

  /** @param {string} problem */
  #showProblem(problem) {
    const element = this.#at('#rule-problem');
    element.hidden = !problem;
    setText(find(element, 'p', HTMLElement), problem);
    find(element, 'button', HTMLButtonElement).hidden = this.#request.phase !== 'failed';
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
