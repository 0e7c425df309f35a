// @ts-check
import { html, render } from '../../../../vendor/lit-html/lit-html.js';
import { find, setText } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { LoadState } from '../../../components/load-state.js';
import { DecisionBar } from '../../../components/notifications/decision-bar.js';
import { DecisionQuestion } from '../../../components/notifications/question.js';
import { backQuestion, backWords, byWords, originWords, reasonWords, versionName, versionsNone } from '../../../components/notifications/words.js';
import { loadTemplate } from '../../../components/template.js';
import { translate } from '../../../components/translation.js';
import { VersionList } from '../../../components/versions/version-list.js';
import { whyOf } from '../../../components/versions/why.js';
import { visible } from '../../../locale/visible.js';
import { calendarDecisions, CalendarDraft } from '../../../model/calendar-draft.js';
import { HistoryError } from '../../../model/history.js';
import { calendarPath, channels, routes } from '../../../model/notifications.js';
import { CalendarFields } from './calendar-fields.js';
import { calendarChanges } from './changes.js';
import { Preview } from './preview.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/notifications.js').Routes} Routes
 * @typedef {import('../../../model/notifications.js').CalendarBody} CalendarBody
 * @typedef {import('../../../model/calendar-draft.js').CalendarVersion} CalendarVersion
 */

/** How often the server is asked what is decided, and while that is not in force, in milliseconds. */
const period = 10_000;
const waitingPeriod = 2000;

/**
 * Lets people decide a calendar of who is on call: what it says, who would be on call, and its versions. The address has its name, or says that it is new.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const { address } = session;
  const named = () => address.get('name');
  let name = named();
  let showing = new AbortController();
  const show = async () => {
    showing.abort();
    showing = new AbortController();
    const until = AbortSignal.any([showing.signal, signal]);
    const content = await loadTemplate('./calendar.html', import.meta.url, until);
    if (until.aborted) return;
    root.replaceChildren(content);
    new CalendarPage(root, session, name, until).start();
  };
  await show();
  address.subscribe(() => {
    if (named() === name) return;
    name = named();
    void show();
  }, { signal });
}

class CalendarPage {
  #root;
  #session;
  /** The calendar's; empty for a new one. */
  #name;
  #frames;
  #draft;
  #request;
  #versions;
  #channelRequest;
  #state;
  #fields;
  #preview;
  #bar;
  /** @type {DecisionQuestion<CalendarVersion>} */
  #question;
  /** @type {VersionList<CalendarVersion>} */
  #versionList;
  /** @type {Routes | null} */
  #plan = null;
  /** Whether there is a calendar of the name. */
  #exists = false;
  /** @type {CalendarVersion[]} */
  #decided = [];
  /** @type {string[]} */
  #channels = [];

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {string} name
   * @param {AbortSignal} signal
   */
  constructor(root, session, name, signal) {
    const { history } = session;
    this.#root = root;
    this.#session = session;
    this.#name = name;
    this.#frames = new Frames(signal);
    this.#draft = new CalendarDraft(calendarDecisions(history), { name, onDecided: () => name && this.#versions.load() }, signal);
    this.#request = session.ask((asking) => routes(history, asking), (plan) => this.#apply(plan), signal);
    this.#versions = session.ask((asking) => this.#draft.versions(asking), (versions) => (this.#decided = versions), signal);
    this.#channelRequest = session.ask((asking) => channels(history, asking), ({ items }) => (this.#channels = items.map((channel) => channel.name)), signal);
    this.#state = new LoadState(this.#at('#plan-state'), session, { empty: texts.calendarFailed, failed: texts.calendarFailed, onRetry: () => this.#request.load() }, signal);
    this.#fields = new CalendarFields(this.#at('#plan-form'), session, { draft: this.#draft, fresh: !name });
    this.#preview = new Preview(this.#at('#plan-preview'), session, signal);
    this.#bar = new DecisionBar(this.#at('#plan-decision'), session, this.#draft, {
      onSave: (reason) => void this.#save(reason), onBack: () => this.#question.open({ kind: 'back' }), onDiscard: () => { this.#draft.reset(); this.#bar.focus(); },
    });
    this.#question = new DecisionQuestion(find(root, '#plan-question', HTMLDialogElement), session, {
      draft: this.#draft, back: () => this.#backQuestion, onConfirm: (question, reason) => void this.#confirmed(question, reason),
      changes: (question) => (question.kind === 'restore' && question.version.calendar && this.#draft.base && this.#exists ? calendarChanges(this.#draft.base, question.version.calendar, session.locale) : ''),
    }, signal);
    this.#versionList = new VersionList(this.#at('#plan-versions'), session, {
      empty: versionsNone, name: (version) => versionName(version, session.locale),
      what: ({ calendar }, before) => (calendar && before?.calendar ? calendarChanges(before.calendar, calendar, session.locale) : ''),
      restorable: ({ deleted }) => !deleted && this.#plan?.decidable === true, onRestore: (version) => this.#question.open({ kind: 'restore', version }),
    });
    session.unsaved.watch(() => this.#draft.loss, signal);
    for (const store of [this.#request, this.#versions, this.#channelRequest]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { appearance, clock } = this.#session;
    this.#draft.subscribe(() => this.#draw(), { signal }); // What is typed is drawn at once.
    appearance.subscribe(() => this.#frames.request(this.#show), { signal });
    clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(this.#draft.base?.in_force === false ? waitingPeriod : period);
    }, { signal });
    this.#at('#plan-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#draft.dirty) void this.#save(whyOf(this.#at('#plan-decision')));
    }, { signal });
  }

  start() {
    find(this.#root, '#plan-back', HTMLAnchorElement).href = this.#session.href('notifications');
    render(Intl.supportedValuesOf('timeZone').map((zone) => html`<option value=${zone}></option>`), this.#at('#plan-zones'));
    this.#show();
    this.#request.load();
    this.#channelRequest.load();
    if (this.#name) this.#versions.load();
  }

  /** @param {Routes} plan */
  #apply(plan) {
    this.#plan = plan;
    const calendar = plan.calendars.find(({ name }) => name === this.#name);
    this.#exists = calendar !== undefined;
    if (calendar) this.#draft.take(calendar);
    else this.#draft.fresh(plan.time_zone ?? 'UTC');
  }

  /** @param {string} reason */
  async #save(reason) {
    if (!this.#fields.check()) return;
    await this.#draft.save(reason);
    if (!this.#draft.made) {
      this.#fields.focusMistake();
      return;
    }
    if (!this.#name) {
      this.#open(calendarPath(this.#draft.name));
      return;
    }
    this.#exists = true;
    this.#draw();
    this.#bar.focus();
  }

  /** @param {string} path Below the root. */
  #open(path) {
    const { pathname, search } = new URL(this.#session.href(path));
    this.#session.address.open({ pathname, search });
  }

  /**
   * @param {import('../../../components/notifications/question.js').Question<CalendarVersion>} question
   * @param {string} reason
   */
  async #confirmed(question, reason) {
    this.#bar.focus();
    const configured = this.#draft.base?.configured;
    if (question.kind === 'restore') await this.#draft.restore(question.version.version, reason);
    else await this.#draft.remove(reason);
    if (!this.#draft.made) return;
    if (question.kind === 'back' && !configured) {
      this.#open('notifications');
      return;
    }
    this.#exists = true;
    this.#draw();
    this.#bar.focus();
  }

  /** @returns {[string, string, string]} */
  get #backQuestion() {
    const { locale } = this.#session;
    if (this.#draft.base?.configured) return backQuestion(locale);
    return [locale.t(texts.deleteWholeTitle, { name: visible(this.#name) }), locale.t(texts.deleteWholeWords), locale.t(texts.deleteWholeNow)];
  }

  /** Everything in the present language. */
  #show = () => {
    translate(this.#root, this.#session.locale, texts);
    this.#question.show();
    this.#draw();
  };

  #draw = () => {
    const { locale } = this.#session;
    const plan = this.#plan;
    const { base, dirty, error, theirs, typed } = this.#draft;
    setText(this.#at('#plan-title'), this.#name ? locale.t(texts.calendarOf, { name: visible(this.#name) }) : locale.t(texts.newCalendar));
    this.#state.update(this.#request, { empty: !plan });
    for (const panel of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll('.panel'))) panel.hidden = !plan || (!this.#name && panel.classList.contains('panel-plan-versions'));
    if (!plan || !base) return;
    const by = (/** @type {number} */ version) => byWords(this.#decided, version, this.#session);
    const gone = Boolean(this.#name) && !this.#exists;
    setText(this.#at('#plan-origin'), this.#exists ? originWords(base, plan.origin, by(base.version), locale) : locale.t(texts.calendarNobody));
    const warnings = [gone ? locale.t(texts.calendarGone, { name: visible(this.#name) }) : '', plan.decidable === false ? locale.t(texts.calendarUndecidable) : ''].filter(Boolean);
    render(html`${warnings.map((words) => html`<p class="question-problem">${words}</p>`)}`, this.#at('#plan-warnings'));
    const mistakes = error instanceof HistoryError && error.status === 422 ? error.mistakes : [];
    this.#fields.show(this.#channels, mistakes.map(({ location = '', message }) => ({ field: location.replace(/^body\.(calendar\.)?/, ''), message })));
    this.#bar.show({
      by, fresh: !this.#exists && plan.decidable === true, back: base.configured ? backWords(locale) : locale.t(texts.deleteWhole), waits: reasonWords(base, plan.origin, locale),
      theirs: theirs ? calendarChanges(base, theirs, locale) : '', why: (version) => this.#decided.find((one) => one.version === version)?.reason ?? '',
    });
    this.#preview.show(typed.body, { edited: dirty || !this.#exists, version: base.version });
    this.#versionList.show(this.#decided, base.version > 0 ? base.version : this.#decided[0]?.deleted ? this.#decided[0].version : undefined);
  };

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
