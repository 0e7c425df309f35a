// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { choiceField, textField, typedIn } from '../../../components/form/fields.js';
import { find } from '../../../components/dom.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { HistoryError } from '../../../model/history.js';
import { tryRoutes } from '../../../model/notifications.js';
import { severities } from '../../../model/protocol.js';
import { targetWords } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/notifications.js').NotificationRoute} NotificationRoute
 * @typedef {import('../../../model/notifications.js').TriedAlert} TriedAlert
 * @typedef {import('../../../model/notifications.js').Tried} Tried
 * @typedef {import('../../../model/notifications.js').TriedRoute} TriedRoute
 * @typedef {import('../../../model/protocol.js').Severity} Severity
 *
 * @typedef {{routes: NotificationRoute[], edited: boolean}} Subject What is tried, and whether it is another one than what is decided.
 */

/** How many alerts are offered, and for how long at least the same ones, in milliseconds. */
const offered = 50;
const listedFor = 5000;

/** Asks who would be notified of an alert by the routes that are edited, and by those that are decided. */
export class TrialPart {
  #element;
  #session;
  #options;
  #signal;
  /** @type {{severity: Severity, device: string, rule: string, area: string, type: string, at: string}} */
  #alert = { severity: 'critical', device: '', rule: '', area: '', type: '', at: '' };
  /** The id of the alert that was chosen; empty for one that is described. */
  #chosen = '';
  /** @type {{version: number, at: number, alerts: import('../../../model/protocol.js').Alert[]}} */
  #known = { version: -1, at: -Infinity, alerts: [] };
  #busy = false;
  /** @type {{edited: Tried | null, decided: Tried, said: string} | null} */
  #result = null;
  /** @type {unknown} */
  #error = null;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {{subject: () => Subject | null, check: () => boolean, onRefused: (error: unknown) => void}} options Check says whether what was typed can be tried; onRefused is called with what is wrong
   *   with the routes, or with null.
   * @param {AbortSignal} signal
   */
  constructor(element, session, options, signal) {
    this.#element = element;
    this.#session = session;
    this.#options = options;
    this.#signal = signal;
  }

  async #try() {
    const subject = this.#options.subject();
    if (!subject || this.#busy || !this.#options.check()) return;
    const { at, area, device, rule, severity, type } = this.#alert;
    /** @type {TriedAlert} */
    const alert = {
      severity, ...(device.trim() && { device_id: device.trim() }), ...(rule.trim() && { alert_type: rule.trim() }), ...(area.trim() && { area: area.trim() }), ...(type && { device_type: type }),
      at: new Date(at || this.#session.clock.now()).toISOString(),
    };
    this.#busy = true;
    this.#error = null;
    this.show();
    try {
      const { history } = this.#session;
      const ask = (/** @type {Parameters<typeof tryRoutes>[1]} */ what) => tryRoutes(history, what, this.#signal);
      const [edited, decided] = await Promise.all([subject.edited ? ask({ ...alert, routes: subject.routes }) : null, ask(alert)]);
      this.#result = { edited, decided, said: JSON.stringify(subject.routes) };
    } catch (error) {
      this.#error = error;
    }
    if (this.#signal.aborted) return;
    this.#busy = false;
    this.#options.onRefused(this.#error instanceof HistoryError && this.#error.status === 422 ? this.#error : null);
    this.show();
    find(this.#element, '#trial-outcome', HTMLElement).focus();
  }

  /** What can be chosen: the most urgent open alerts, and then those that have cleared. In a flood they are looked for only now and then. */
  get #recent() {
    const { alerts, clock } = this.#session;
    const now = clock.now();
    if (this.#known.version !== alerts.version && !(now - this.#known.at < listedFor)) this.#known = { version: alerts.version, at: now, alerts: alerts.list({ openOnly: false, severity: '' }).slice(0, offered) };
    return this.#known.alerts;
  }

  /** @param {string} id */
  #choose(id) {
    const alert = this.#recent.find((one) => one.id === id);
    this.#chosen = alert ? id : '';
    if (alert) this.#alert = { severity: alert.severity, device: alert.device_id, rule: alert.alert_type, area: alert.area ?? '', type: alert.device_type, at: '' };
    this.show();
  }

  /** @param {{severity?: Severity, device?: string, rule?: string, area?: string, type?: string, at?: string}} change */
  #type(change) {
    this.#alert = { ...this.#alert, ...change };
    this.#chosen = '';
    this.show();
  }

  /** Also in another language. */
  show() {
    const { locale, plant } = this.#session;
    const subject = this.#options.subject();
    if (!subject) {
      render(nothing, this.#element);
      return;
    }
    const alert = this.#alert;
    const field = (/** @type {'device' | 'rule' | 'area'} */ key, /** @type {import('../../../locale/locale.js').Text} */ text, list = '') =>
      textField({ name: `trial-${key}`, form: 'plan', label: locale.t(text), value: alert[key], longest: 1024, ...(list && { list }), onType: (value) => this.#type({ [key]: value }) });
    /** @type {[string, string][]} */
    const types = [['', locale.t(texts.notKnown)], ...[...plant.specs.keys()].map((type) => /** @type {[string, string]} */ ([type, this.#session.typeName(type)]))];
    render(html`<p class="soft">${locale.t(texts.trialHint)}</p>
      <form class="rule-fields trial-alert" @submit=${(/** @type {Event} */ event) => { event.preventDefault(); void this.#try(); }}>
        ${choiceField({ name: 'trial-alert', form: 'plan', label: locale.t(texts.trialAlert), wide: true, value: this.#chosen, choices: this.#choices, onChoose: (id) => this.#choose(id) })}
        ${choiceField({ name: 'trial-severity', form: 'plan', label: locale.t(terms.severity), value: alert.severity, choices: severities.map((one) => [one, locale.t(terms[one])]), onChoose: (severity) => this.#type({ severity: /** @type {Severity} */ (severity) }) })}
        ${field('device', texts.trialDevice)}${field('rule', texts.trialRule, 'route-list-rules')}${field('area', texts.trialArea, 'route-list-areas')}
        ${choiceField({ name: 'trial-type', form: 'plan', label: locale.t(texts.trialType), value: alert.type, choices: types, onChoose: (type) => this.#type({ type }) })}
        <div class="field"><label for="plan-trial-at">${locale.t(texts.trialAt)}</label><input type="datetime-local" id="plan-trial-at" .value=${alert.at} @input=${(/** @type {Event} */ event) => this.#type({ at: typedIn(event) })}></div>
        <div class="wide"><button type="submit" class="button ${subject.edited ? 'button-main' : ''}" id="trial-run" ?disabled=${this.#busy}>${locale.t(texts.trialRun)}</button></div>
      </form>
      <p id="trial-outcome" role="status" tabindex="-1" class="trial-outcome" data-kind=${this.#error ? 'failed' : ''}>${this.#outcome(subject)}</p>
      ${this.#result && !this.#busy && !this.#error ? this.#results(this.#result) : nothing}`, this.#element);
  }

  /** @returns {[string, string][]} */
  get #choices() {
    const { clock, locale } = this.#session;
    const now = clock.now();
    return [['', locale.t(texts.trialOwn)], ...this.#recent.map((alert) => /** @type {[string, string]} */ ([alert.id,
      locale.t(texts.recentAlert, { time: locale.timeOrDate(Date.parse(alert.onset), now), device: visible(alert.device_id), rule: visible(alert.alert_type) })]))];
  }

  /** @param {Subject} subject */
  #outcome({ routes }) {
    const { locale } = this.#session;
    if (this.#busy) return locale.t(texts.trialRunning);
    if (this.#error) {
      const error = this.#error;
      const reason = error instanceof HistoryError ? error.mistakes.map(({ message, location = '' }) => visible([location.replace(/^body\.?/, ''), message].filter(Boolean).join(': '))).join('; ') || visible(error.message) : locale.t(terms.disconnected);
      return locale.t(texts.trialRefused, { reason });
    }
    if (!this.#result) return '';
    const { decided, edited, said } = this.#result;
    const same = edited && JSON.stringify(edited.routes) === JSON.stringify(decided.routes);
    return [said === JSON.stringify(routes) ? '' : locale.t(texts.trialOld), edited ? locale.t(same ? texts.trialSame : texts.trialDiffers) : ''].filter(Boolean).join(locale.t(terms.sentenceSeparator));
  }

  /** @param {{edited: Tried | null, decided: Tried}} result */
  #results({ decided, edited }) {
    const { locale } = this.#session;
    return html`<div class="tried">${edited ? this.#tried(locale.t(texts.triedEdited), edited.routes, 'edited') : nothing}${this.#tried(locale.t(texts.trialDecided), decided.routes, 'decided')}</div>`;
  }

  /**
   * @param {string} title
   * @param {TriedRoute[]} routes
   * @param {string} by
   */
  #tried(title, routes, by) {
    const { clock, locale } = this.#session;
    const now = clock.now();
    const who = (/** @type {import('../../../model/notifications.js').Target[]} */ targets) => targets.map((target) => targetWords(target, locale)).join(locale.t(terms.listSeparator)) || locale.t(terms.unknown);
    const at = (/** @type {string} */ time) => locale.timeOrDate(Date.parse(time), now);
    return html`<section data-by=${by}><h4>${title}</h4>${routes.length === 0 ? html`<p class="tried-nobody">${locale.t(texts.trialNobody)}</p>`
      : html`<ol>${routes.map((route) => html`<li><strong>${visible(route.route)}</strong>
          <ul><li>${locale.t(texts.trialNotifies, { time: at(route.at), who: who(route.notified) })}</li>${route.escalate.map((step) => html`<li>${locale.t(texts.trialSteps, { time: at(step.at), who: who(step.notified) })}</li>`)}</ul></li>`)}</ol>`}</section>`;
  }
}
