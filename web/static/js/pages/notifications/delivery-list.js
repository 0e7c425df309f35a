// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../vendor/lit-html/directives/repeat.js';
import { offerChoices } from '../../components/choices.js';
import { find, setText } from '../../components/dom.js';
import { LoadState } from '../../components/load-state.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { HistoryError } from '../../model/history.js';
import { deliveries, notTaken, resend } from '../../model/notifications.js';
import { texts } from './texts.js';
import { aboutWords, kindNames, stateNames, targetWords } from './words.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/notifications.js').Delivery} Delivery
 * @typedef {import('../../model/notifications.js').DeliveryPage} DeliveryPage
 * @typedef {import('../../model/notifications.js').DeliveryState} DeliveryState
 */

/** How often the server is asked for the newest, in milliseconds. */
const period = 5000;

/** How many are listed at most: who looks for more narrows the list. */
const most = 1000;

/** @type {readonly ('' | DeliveryState)[]} */
const states = ['', 'refused', 'failed', 'pending', 'sent', 'merged'];

/** What was sent, the newest first, and what became of it. What it is narrowed to is in the address. */
export class DeliveryList {
  #root;
  #session;
  #signal;
  #request;
  #older;
  #state;
  #channel;
  /** The newest ones. @type {DeliveryPage | null} */
  #page = null;
  /** Those before them that were asked for. @type {Delivery[]} */
  #before = [];
  /** Where those go on; empty at the end. */
  #next = '';
  /** What the list is narrowed to. */
  #asked = '';
  /** The id of the one that is being sent again; empty for none. */
  #sending = '';
  /** What became of it. @type {{delivery: Delivery} | {error: unknown} | null} */
  #outcome = null;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#signal = signal;
    const { address, history } = session;
    this.#request = session.ask((asking) => deliveries(history, { ...this.#query, cursor: '' }, asking), (page) => this.#apply(page), signal);
    this.#older = session.ask((asking) => deliveries(history, { ...this.#query, cursor: this.#next }, asking), (page) => this.#append(page), signal);
    const retry = () => (this.#request.phase === 'failed' ? this.#request : this.#older).load();
    this.#state = new LoadState(this.#at('#deliveries-state'), session, { empty: texts.deliveriesNone, failed: texts.deliveriesFailed, onRetry: retry }, signal);
    this.#channel = find(root, '#delivery-filters select', HTMLSelectElement);
    this.#channel.addEventListener('change', () => address.push({ channel: this.#channel.value }), { signal });
    for (const request of [this.#request, this.#older]) request.subscribe(() => this.draw(), { signal });
    address.subscribe(() => this.#narrow(), { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
    }, { signal });
  }

  get #query() {
    const { address } = this.#session;
    return { channel: address.get('channel'), state: address.get('state') };
  }

  start() {
    this.#narrow();
  }

  /** Asks at once: something was sent. */
  load() {
    this.#request.load();
  }

  /** Asks for what the address says. */
  #narrow() {
    const asked = JSON.stringify(this.#query);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#page = null;
    this.#before = [];
    this.#next = '';
    this.#older.cancel();
    this.#request.load();
  }

  /** @param {DeliveryPage} page */
  #apply(page) {
    // What was at the end of the newest ones follows them.
    const shown = this.#page?.items ?? [];
    const ids = new Set(page.items.map(({ id }) => id));
    const last = page.items.at(-1)?.created ?? '';
    const pushed = shown.filter(({ id, created }) => !ids.has(id) && Date.parse(created) <= Date.parse(last));
    this.#before = this.#page && this.#next ? [...pushed, ...this.#before].slice(0, most) : this.#before;
    if (!this.#page || this.#before.length === 0) this.#next = page.next ?? '';
    this.#page = page;
  }

  /** @param {DeliveryPage} page */
  #append({ items, next = '' }) {
    this.#before = [...this.#before, ...items];
    this.#next = this.#before.length < most ? next : '';
  }

  /** @param {Delivery} delivery */
  async #resend({ id }) {
    if (this.#sending) return;
    this.#sending = id;
    this.#outcome = null;
    this.draw();
    try {
      this.#outcome = { delivery: await resend(this.#session.history, id, this.#signal) };
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#outcome = { error };
    }
    this.#sending = '';
    this.#request.load();
  }

  /** Everything, in the present language. */
  draw() {
    const { locale } = this.#session;
    const listed = this.#page ? [...this.#page.items, ...this.#before] : [];
    this.#showStates();
    setText(this.#at('#delivery-outcome'), this.#outcomeWords);
    this.#state.update(this.#request.phase === 'failed' || this.#older.phase !== 'failed' ? this.#request : this.#older, { empty: listed.length === 0 });
    const more = this.#next && listed.length > 0 ? html`<button type="button" class="button deliveries-older" ?disabled=${this.#older.phase === 'loading'} @click=${() => this.#older.load()}>${locale.t(texts.deliveriesOlder)}</button>` : nothing;
    render(listed.length > 0 ? html`<ol class="deliveries">${repeat(listed, ({ id }) => id, (delivery) => this.#item(delivery))}</ol>${more}` : nothing, this.#at('#deliveries'));
  }

  /** Which channels there are. @param {string[]} names */
  offer(names) {
    const { address, locale } = this.#session;
    /** @type {[string, string][]} */
    const choices = [['', locale.t(texts.everyChannel)], ...names.map((name) => /** @type {[string, string]} */ ([name, visible(name)]))];
    offerChoices(this.#channel, choices, address.get('channel'));
    this.#channel.classList.toggle('active', address.get('channel') !== '');
  }

  #showStates() {
    const { address, locale } = this.#session;
    /** @type {Record<string, number | undefined>} */
    const counts = { refused: this.#page?.refused, failed: this.#page?.failed, pending: this.#page?.pending };
    render(states.map((state) => {
      const name = locale.t(state ? stateNames[state][0] : texts.stateAll);
      const count = counts[state];
      return html`<button type="button" data-state=${state} data-count=${count ?? nothing} aria-pressed=${address.get('state') === state} @click=${() => address.push({ state })}>
        <span>${name}</span>${count === undefined ? nothing : html`<strong>${locale.number(count)}</strong>`}</button>`;
    }), this.#at('#delivery-states'));
  }

  get #outcomeWords() {
    const { clock, locale } = this.#session;
    if (!this.#outcome) return '';
    if ('error' in this.#outcome) {
      const { error } = this.#outcome;
      return locale.t(texts.sendFailed, { reason: error instanceof HistoryError ? visible(error.message) : locale.t(terms.disconnected) });
    }
    const { delivery } = this.#outcome;
    const words = { target: targetWords(delivery, locale), outcome: visible(delivery.outcome ?? '') || locale.t(texts.answerEmpty), time: locale.timeOrDate(Date.parse(delivery.due), clock.now()) };
    if (delivery.state === 'sent') return locale.t(texts.sentAgain, words);
    if (notTaken(delivery)) return locale.t(texts.notSentAgain, words);
    return locale.t(delivery.outcome ? texts.retriedAgain : texts.waitsAgain, words);
  }

  /** @param {Delivery} delivery */
  #item(delivery) {
    const { clock, locale } = this.#session;
    const { state, kind, attempts, due, done, created, outcome = '', severity } = delivery;
    const now = clock.now();
    const [name, icon] = stateNames[state];
    const at = (/** @type {string} */ time) => locale.timeOrDate(Date.parse(time), now);
    const about = aboutWords(delivery, this.#session);
    const target = targetWords(delivery, locale);
    const waits = state === 'pending' && attempts > 0 ? locale.t(texts.stateRetried, { time: at(due) }) : '';
    return html`<li data-state=${state}>
      <span class="delivery-state"><svg class="icon" aria-hidden="true"><use href="#icon-${icon}"></use></svg> ${locale.t(name)}</span>
      <p class="delivery-about">${kind === 'test' ? nothing : html`<svg class="icon severity-${severity}" role="img" aria-label=${locale.t(terms[severity])}><use href="#icon-${severity}"></use></svg> `}<strong>${locale.t(kindNames[kind])}</strong>${about ? ` · ${about}` : ''}</p>
      <time class="delivery-time" datetime=${created}>${at(done ?? created)}</time>
      <p class="delivery-target">${locale.t(texts.to, { target })}${attempts > 0 ? ` · ${locale.t(texts.attempts, { count: attempts })}` : ''}${waits ? ` · ${waits}` : ''}</p>
      ${outcome ? html`<p class="delivery-outcome">${visible(outcome)}</p>` : nothing}
      ${this.#alerts(delivery)}
      ${(state === 'pending' && attempts === 0) || kind === 'test' ? nothing : html`<button type="button" class="button delivery-again" aria-label=${locale.t(texts.sendAgainTo, { target, about: about || locale.t(kindNames[kind]) })}
        ?disabled=${this.#sending !== ''} @click=${() => void this.#resend(delivery)}>${locale.t(texts.sendAgain)}</button>`}
    </li>`;
  }

  /** @param {Delivery} delivery */
  #alerts({ message }) {
    const { clock, locale } = this.#session;
    const groups = message.groups ?? [];
    const alerts = groups.flatMap((group) => group.alerts ?? []);
    if (alerts.length === 0) return nothing;
    const missing = groups.reduce((sum, { open, over }) => sum + open + over, 0) - alerts.length;
    return html`<details class="delivery-alerts"><summary>${locale.t(texts.messageAlerts)}</summary>
      <ul>${alerts.map(({ id, alert_type: type, device_id: device, onset }) => html`<li><a class="link" href=${this.#session.href(`alerts/${encodeURIComponent(id)}`)}>${visible(device)}</a>
        <span class="soft">${visible(type)} · ${locale.timeOrDate(Date.parse(onset), clock.now())}</span></li>`)}</ul>
      ${missing > 0 ? html`<p class="soft">${locale.t(texts.notListed, { count: missing })}</p>` : nothing}</details>`;
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
