// @ts-check
import { ActionDialog } from '../../components/alert/action-dialog.js';
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { decisionWords } from '../../components/registry/decision.js';
import { Segmented } from '../../components/segmented.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { AlertActions } from '../../model/alert-actions.js';
import { AlertArchive } from '../../model/alert-archive.js';
import { areaOf } from '../../model/alert-life.js';
import { AlertListing } from '../../model/alert-listing.js';
import { addressedAlerts, countHandlings, narrowsAlerts } from '../../model/alert-query.js';
import { Choice } from '../../model/choice.js';
import { AlertFilters } from './alert-filters.js';
import { AlertTable } from './alert-table.js';
import { ChosenBar } from './chosen-bar.js';
import { SignalsMenu } from './signals-menu.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/protocol.js').Alert} Alert
 * @typedef {import('../../model/alert-query.js').Handling} Handling
 */

/** How often the newest alerts of the archive are asked for again, in milliseconds. */
const period = 10_000;

/** The least time between two drawings, in milliseconds. */
const pace = 300;

/**
 * Shows the alerts that somebody has something to do with, and those of the archive.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./alerts.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new AlertsPage(root, session, signal).start();
}

/** The page's parts, and what is listed. What narrows the list is in the address. */
class AlertsPage {
  #root;
  #session;
  #frames;
  #listing;
  #archive;
  /** @type {Choice<Alert>} */
  #choice = new Choice();
  #filters;
  /** @type {AlertTable} */
  #table;
  /** @type {ChosenBar} */
  #bar;
  #dialog;
  #quick;
  #signals;
  #view;
  #state;
  #all;
  /** What was asked of the archive last. */
  #asked = '';
  /** Of which alerts there are counts and choices. */
  #shown = '';
  /** All words of alerts, of one language. @type {WeakMap<Alert, string>} */
  #words = new WeakMap();

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#listing = new AlertListing(session.alerts, (alert) => this.#textOf(alert));
    this.#archive = new AlertArchive(session.history, (question, apply) => session.ask(question, apply, signal));
    this.#filters = new AlertFilters(root, session, signal);
    this.#signals = new SignalsMenu(find(root, '#alert-signals', HTMLDetailsElement), session, signal);
    this.#view = new Segmented(this.#at('#alerts-view'), (view) => session.address.push({ view: view === 'history' ? view : '' }), signal);
    this.#dialog = new ActionDialog(find(root, '#alert-action', HTMLDialogElement), session, { onClosed: (done) => done && this.#choice.replace([]) }, signal);
    this.#quick = new AlertActions(session.history, () => {}, signal);
    session.unsaved.watch(() => this.#quick.loss, signal);
    this.#bar = new ChosenBar(this.#at('#alerts-chosen'), session, this.#choice, (action) => this.#dialog.open(action, this.#bar.alerts));
    this.#all = find(root, '#choose-alerts', HTMLInputElement);
    this.#table = new AlertTable(root, session, {
      rows: {
        count: () => (this.#past ? this.#archive.alerts.length : this.#listing.length),
        keyOf: (i) => (this.#past ? this.#archive.alerts[i]?.id : this.#listing.keyOf(i)),
        // Of what has just been done the page knows before the archive does.
        alertsAt: (i) => (this.#past ? this.#archive.alerts.slice(i, i + 1).map((alert) => session.alerts.find(alert.id) ?? alert) : this.#listing.alertsAt(i)),
        groupAt: (i) => (this.#past ? undefined : this.#listing.groups[i]),
      },
      choice: this.#choice,
      onAcknowledge: (alert) => this.#acknowledge(alert),
      onAction: (action, alerts) => this.#dialog.open(action, alerts.length > 0 ? alerts : this.#bar.alerts),
      onScroll: () => this.#past && this.#table.atEnd && this.#archive.older(),
    }, signal);
    const empty = () => (narrowsAlerts(addressedAlerts(session.address)) || this.#past ? texts.noAlertMatches : texts.nothingStands);
    this.#state = new LoadState(this.#at('#alerts-state'), session, { empty, failed: texts.alertsFailed, onRetry: () => this.#retry() }, signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { address, alerts, appearance, archive, clock, plant, returnedAlerts } = this.#session;
    const draw = () => this.#frames.request(this.#draw, pace);
    for (const store of [alerts, returnedAlerts, this.#archive, ...this.#archive.requests, clock]) store.subscribe(draw, { signal });
    for (const store of [appearance, plant]) store.subscribe(() => this.#show(), { signal });
    clock.subscribe(() => {
      // Rows do not move under a reader who has gone down the list.
      if (this.#past && !document.hidden && !this.#table.held && this.#at('#alert-list').scrollTop === 0) this.#archive.renew(period);
    }, { signal });
    archive.subscribe(() => this.#archive.outdate(), { signal });
    address.subscribe(() => {
      this.#at('#alert-list').scrollTop = 0;
      this.#table.release();
      this.#frames.request(this.#draw);
    }, { signal });
    this.#choice.subscribe(() => {
      this.#showChosen();
      this.#table.draw();
    }, { signal });
    this.#all.addEventListener('change', () => {
      const chosen = this.#all.checked ? this.#listing.listed.map((alert) => /** @type {[string, Alert]} */ ([alert.id, alert])) : [];
      this.#choice.replace(chosen);
    }, { signal });
    this.#at('#alerts-held').addEventListener('click', () => {
      this.#table.release();
      this.#at('#alert-list').scrollTop = 0;
      this.#draw();
    }, { signal });
    for (const counter of this.#counters()) {
      const state = counter.dataset['state'] ?? '';
      counter.addEventListener('click', () => address.replace({ state: address.get('state') === state ? '' : state }), { signal });
    }
  }

  start() {
    this.#show();
  }

  /** Whether the alerts of the archive are shown. */
  get #past() {
    return this.#session.address.get('view') === 'history';
  }

  #retry() {
    if (this.#past) this.#archive.retry();
    else this.#session.returnedAlerts.load();
  }

  /**
   * All words of an alert, in the reader's language and in those of the rule.
   *
   * @param {Alert} alert
   */
  #textOf(alert) {
    let text = this.#words.get(alert);
    if (text === undefined) {
      const { alert_type: rule, comment = '', device_id: device, message, message_en: english = '' } = alert;
      text = [this.#session.alertWords(alert), device, rule, areaOf(alert), message, english, comment].join('\n').toLowerCase();
      this.#words.set(alert, text);
    }
    return text;
  }

  /** @param {Alert} alert */
  async #acknowledge(alert) {
    const { locale } = this.#session;
    await this.#quick.begin([alert], 'acknowledge', {});
    const [failed] = this.#quick.failed;
    const reason = failed?.error ? decisionWords(failed.error, locale) : '';
    const words = [this.#session.alertWords(alert), visible(alert.device_id)].join(locale.t(terms.listSeparator));
    this.#at('#alert-notice').replaceChildren();
    if (!reason) return;
    const said = document.createElement('p');
    said.textContent = locale.t(texts.quickFailed, { words, reason });
    this.#at('#alert-notice').append(said);
  }

  #draw = () => {
    const { address, appearance, plant } = this.#session;
    this.#filters.update();
    this.#view.value = this.#past ? 'history' : 'now';
    this.#root.classList.toggle('past-alerts', this.#past);
    if (this.#past) {
      this.#ask();
    } else {
      const grouping = /** @type {import('../../model/alert-query.js').Grouping} */ (['rule', 'area', 'both'].find((one) => one === address.get('group')) ?? '');
      const words = `${appearance.version} ${plant.version}`;
      if (this.#listing.renew({ query: addressedAlerts(address), grouping, words, held: this.#table.held })) this.#prune();
      this.#showAll();
    }
    this.#table.show();
    if (this.#past && this.#table.atEnd) this.#archive.older();
    this.#at('#handling-counters').hidden = this.#past;
    this.#showChosen();
    this.#showNote();
  };

  /** Shows what goes through all alerts, unless they are those of before: thousands take longer than a frame. */
  #showAll() {
    const { address, alerts, appearance } = this.#session;
    const shown = `${alerts.version} ${appearance.version} ${address.get('state')}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#filters.offer(alerts.pending);
    this.#showCounters();
  }

  /** Asks the archive for what the address says, unless it has been asked. */
  #ask() {
    const { severity, type, area, rule, search } = addressedAlerts(this.#session.address);
    const query = { severity, type, area, rule, q: search, from: this.#session.address.get('from') };
    const asked = JSON.stringify(query);
    if (asked === this.#asked && this.#archive.request.phase !== 'idle') return;
    this.#asked = asked;
    this.#archive.load(query);
  }

  /** Nothing is chosen that is not listed any more. */
  #prune() {
    if (this.#choice.size === 0) return;
    const listed = new Set(this.#listing.listed.map(({ id }) => id));
    const kept = this.#choice.entries.filter(([id]) => listed.has(id));
    if (kept.length < this.#choice.size) this.#choice.replace(kept);
  }

  /** @returns {NodeListOf<HTMLButtonElement>} */
  #counters() {
    return this.#root.querySelectorAll('#handling-counters button');
  }

  #showCounters() {
    const { address, alerts, locale } = this.#session;
    const counts = countHandlings(alerts.pending);
    for (const counter of this.#counters()) {
      const count = counts[/** @type {Handling} */ (counter.dataset['state'])];
      counter.dataset['count'] = String(count);
      counter.setAttribute('aria-pressed', String(address.get('state') === counter.dataset['state']));
      setText(find(counter, 'strong', HTMLElement), locale.number(count));
    }
  }

  #showChosen() {
    const { size } = this.#choice;
    const count = this.#listing.listed.length;
    this.#bar.show();
    this.#all.checked = size > 0 && size >= count;
    this.#all.indeterminate = size > 0 && size < count;
    this.#all.disabled = count === 0;
  }

  #showNote() {
    const { alerts, locale, plant, returnedAlerts } = this.#session;
    const held = find(this.#root, '#alerts-held', HTMLButtonElement);
    const { groups, grouping, listed, waiting } = this.#listing;
    held.hidden = this.#past || waiting === 0;
    setText(held, locale.t(texts.heldAlerts, { count: waiting }));
    if (this.#past) {
      const count = this.#archive.alerts.length;
      this.#state.update(this.#archive.request, { empty: count === 0 });
      setText(this.#at('#alerts-note'), [locale.t(texts.historyNote, { count }), this.#archive.more ? locale.t(texts.historyMore) : ''].filter(Boolean).join(locale.t(terms.sentenceSeparator)));
      return;
    }
    const phase = plant.known ? returnedAlerts.phase : 'loading';
    this.#state.update({ phase, reason: returnedAlerts.reason }, { empty: listed.length === 0 });
    const total = alerts.pendingCount;
    const count = listed.length;
    const words = count < total ? locale.t(texts.nowNoteOf, { count, total }) : locale.t(texts.nowNote, { count });
    setText(this.#at('#alerts-note'), grouping ? locale.t(texts.groupNote, { count: groups.length, alerts: words }) : words);
  }

  /** Everything in another language, or with other types. */
  #show() {
    const { locale } = this.#session;
    this.#words = new WeakMap();
    translate(this.#root, locale, texts);
    this.#view.offer([
      { value: 'now', text: locale.t(texts.viewNow), label: locale.t(texts.viewNowLong) },
      { value: 'history', text: locale.t(texts.viewHistory), label: locale.t(texts.viewHistoryLong) },
    ]);
    this.#filters.show();
    this.#signals.show();
    this.#dialog.show();
    this.#draw();
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
