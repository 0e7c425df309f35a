// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { ActionDialog } from '../../../components/alert/action-dialog.js';
import { handlingWords, offeredAction, stateWords, whyWords } from '../../../components/alert/words.js';
import { find, setText } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { LoadState } from '../../../components/load-state.js';
import { maintenancePath } from '../../../components/maintenance/words.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { possibleActions } from '../../../model/alert-actions.js';
import { areaOf } from '../../../model/alert-life.js';
import { procedureAddress } from '../../../model/alert-story.js';
import { comparesNothing, comparesValue } from '../../../model/alerts.js';
import { decodedId, devicePath } from '../../../model/device-link.js';
import { RuleRequests } from '../../../model/rule-requests.js';
import { judgesValues, ruleOfAlert, rulePath } from '../../../model/rules.js';
import { AlertChart } from './alert-chart.js';
import { showStory } from './story.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/protocol.js').Alert} Alert
 */

/** How often the archive is asked, in milliseconds, and the least time between two drawings. */
const period = 5000;
const pace = 300;

/**
 * Shows everything about one alert: what it is, what became of it, and the readings around it.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./alert.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new AlertPage(root, session, signal).start();
}

class AlertPage {
  #root;
  #session;
  #frames;
  #id;
  #request;
  #events;
  #rule;
  /** Whether the rule's threshold is one of values, as far as that is known. */
  #judgesValues = false;
  #chart;
  #dialog;
  #state;
  /** As the archive has it. @type {Alert | null} */
  #archived = null;
  /** @type {import('../../../model/history.js').AlertEvent[]} */
  #story = [];
  /** The event of the live view that was shown last. @type {Alert | undefined} */
  #live;

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    const { history } = session;
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#id = decodedId(session.address.path) ?? '';
    this.#request = session.ask((asking) => history.alert(this.#id, asking), (alert) => (this.#archived = alert), signal);
    this.#events = session.ask((asking) => history.alertEvents(this.#id, asking), ({ items }) => (this.#story = items), signal);
    // A rule of before may be gone: then only the alert itself says what it is about.
    const rules = new RuleRequests(history);
    this.#rule = session.ask((asking) => rules.one(ruleOfAlert(this.#alert?.alert_type ?? ''), asking), (rule) => (this.#judgesValues = judgesValues(rule)), signal);
    this.#chart = new AlertChart(find(root, '.panel-alert-chart', HTMLElement), session, signal);
    session.followRules(this.#rule, signal);
    this.#dialog = new ActionDialog(find(root, '#alert-action', HTMLDialogElement), session, { onClosed: () => this.#outdate() }, signal);
    const empty = texts.storyLater;
    this.#state = new LoadState(this.#at('#story-state'), session, { empty, failed: texts.storyFailed, onRetry: () => this.#events.load() }, signal);
    this.#at('#alert-problem button').addEventListener('click', () => this.#request.load(), { signal });
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { alerts, appearance, clock, plant } = this.#session;
    for (const store of [this.#request, this.#events, this.#rule]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    alerts.subscribe(() => {
      if (alerts.find(this.#id) === this.#live) return;
      this.#outdate();
      this.#frames.request(this.#draw, pace);
    }, { signal });
    appearance.subscribe(() => this.#show(), { signal });
    plant.subscribe(() => this.#frames.request(this.#show), { signal });
    clock.subscribe(() => {
      // What is archived comes a little after the message about it. Of an alert that is just being raised there is no story yet.
      if (!document.hidden) for (const request of [this.#request, this.#events]) request.renew(period);
      if (this.#events.status === 404 && this.#live) this.#events.load();
      this.#frames.request(this.#draw, pace);
    }, { signal });
  }

  start() {
    find(this.#root, '#alert-list-link', HTMLAnchorElement).href = this.#session.href('alerts');
    this.#show();
    this.#request.load();
    this.#events.load();
  }

  /** The archive has news. */
  #outdate() {
    this.#request.outdate();
    this.#events.outdate();
  }

  /** The alert as it is now: what people have done comes by messages, when it cleared may only be in the archive. @returns {Alert | null} */
  get #alert() {
    const live = (this.#live = this.#session.alerts.find(this.#id));
    if (!live || !this.#archived) return live ?? this.#archived;
    const { raised_at: raised, cleared_at: cleared, comment, commented_at: commented } = this.#archived;
    const ended = cleared ?? (live.state === 'cleared' ? live.timestamp : undefined);
    return { ...live, ...(raised && { raised_at: raised }), ...(ended && { cleared_at: ended }), ...(!live.comment && comment && { comment }), ...(commented && { commented_at: commented }) };
  }

  /** Shows everything, in the present language and theme. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#dialog.show();
    this.#draw();
    this.#chart.show();
  };

  #draw = () => {
    const alert = this.#alert;
    for (const part of this.#root.querySelectorAll('[data-part]')) /** @type {HTMLElement} */ (part).hidden = !alert;
    this.#showProblem(alert);
    find(this.#root, '#alert-device-link', HTMLAnchorElement).hidden = !alert;
    this.#showMaintenance(alert);
    if (!alert) {
      setText(this.#at('#alert-title'), visible(this.#id));
      return;
    }
    if (this.#rule.phase === 'idle' && !comparesNothing(alert.alert_type)) this.#rule.load();
    const { clock, locale } = this.#session;
    setText(this.#at('#alert-title'), [this.#session.alertWords(alert), visible(alert.device_id)].join(locale.t(terms.listSeparator)));
    find(this.#root, '#alert-device-link', HTMLAnchorElement).href = this.#session.href(devicePath(alert.device_id));
    const place = [locale.t(terms[alert.severity]), stateWords(alert, clock.now(), locale), whyWords(alert, locale), visible(areaOf(alert))].filter(Boolean);
    const icon = html`<svg class="icon severity-${alert.severity}" aria-hidden="true"><use href="#icon-${alert.severity}"></use></svg>`;
    render(html`${icon} ${place.join(' · ')}`, this.#at('#alert-place'));
    this.#showActions(alert);
    this.#showFacts(alert);
    this.#state.update(this.#events.status === 404 ? { phase: 'loaded', reason: '' } : this.#events, { empty: this.#story.length === 0 });
    if (this.#story.length > 0) showStory(this.#at('#story'), { events: this.#story, alert }, this.#session);
    this.#chart.set(alert, this.#specOf(alert) !== undefined);
  };

  /**
   * Leads to the rule that raises alerts of a type, unless the program does by itself.
   *
   * @param {string} type
   */
  #ruleLink(type) {
    return type === 'device_clock_step' ? visible(type) : html`<a class="link" id="alert-rule" href=${this.#session.href(rulePath(ruleOfAlert(type)))}>${visible(type)}</a>`;
  }

  /**
   * The type whose values the alert's value and threshold are; undefined if they are no values.
   *
   * @param {Alert} alert
   */
  #specOf(alert) {
    const { plant } = this.#session;
    return this.#judgesValues || comparesValue(alert) ? plant.specs.get(alert.device_type) : undefined;
  }

  /** @param {Alert | null} alert */
  #showProblem(alert) {
    const { locale } = this.#session;
    const { phase, reason, status } = this.#request;
    const element = this.#at('#alert-problem');
    element.hidden = alert !== null || phase !== 'failed';
    if (element.hidden) return;
    const words = status === 404 ? locale.t(texts.alertUnknown, { id: visible(this.#id) }) : locale.t(texts.alertFailed, { reason: reason || locale.t(terms.disconnected) });
    setText(find(element, 'p', HTMLElement), words);
    find(element, 'button', HTMLButtonElement).hidden = status === 404;
  }

  /** Leads to the maintenance that suppresses the alert. @param {Alert | null} alert */
  #showMaintenance(alert) {
    const link = find(this.#root, '#alert-maintenance-link', HTMLAnchorElement);
    const name = alert?.suppressed === 'by_design' ? (alert.suppressed_by ?? '') : '';
    link.hidden = !name;
    if (!name) return;
    link.href = this.#session.href(maintenancePath(name));
    setText(link, this.#session.locale.t(texts.itsMaintenance, { name: visible(name) }));
  }

  /** @param {Alert} alert */
  #showActions(alert) {
    const { locale } = this.#session;
    const address = procedureAddress(alert.procedure);
    const over = alert.state === 'cleared' && alert.alarm_state === 'normal';
    const actions = alert.historical ? [] : possibleActions([alert]).filter((action) => !over || action === 'comment');
    render(html`${actions.map((action) => html`<button type="button" class="button ${action === 'acknowledge' ? 'button-main' : ''}" data-action=${action} @click=${() => this.#dialog.open(action, [alert])}>${offeredAction(action, locale)}</button>`)}
      ${address ? html`<a class="button" id="alert-procedure" href=${address} target="_blank" rel="noopener noreferrer" aria-label=${locale.t(texts.procedureOpens)}>${locale.t(terms.procedure)}</a>` : nothing}`, this.#at('#alert-actions'));
  }

  /** @param {Alert} alert */
  #showFacts(alert) {
    const { clock, locale } = this.#session;
    const at = (/** @type {string | undefined} */ time) => (time ? locale.timeOrDate(Date.parse(time), clock.now()) : '');
    /** @type {[import('../../../locale/locale.js').Text, unknown][]} */
    const facts = [
      [terms.device, visible(alert.device_id)], [terms.deviceType, this.#session.typeName(alert.device_type)], [texts.factRule, this.#ruleLink(alert.alert_type)],
      [terms.value, this.#session.alertValue(alert)], [texts.factThreshold, this.#session.alertThreshold(alert)],
      [texts.factOnset, at(alert.onset)], [texts.factRaised, at(alert.raised_at)], [texts.factCleared, at(alert.cleared_at)],
      [texts.factHandled, handlingWords(alert, clock.now(), locale)], [texts.factComment, visible(alert.comment ?? '')],
    ];
    render(html`${facts.filter(([, value]) => value).map(([name, value]) => html`<dt>${locale.t(name)}</dt><dd dir="auto">${value}</dd>`)}`, this.#at('#alert-facts'));
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
