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
import { areaPaths } from '../../../model/areas.js';
import { HistoryError } from '../../../model/history.js';
import { channels, routes } from '../../../model/notifications.js';
import { blankRoute, copyOf, placeOf } from '../../../model/route-form.js';
import { RoutesDraft } from '../../../model/routes-draft.js';
import { RuleRequests } from '../../../model/rule-requests.js';
import { showWarnings } from '../plan-lists.js';
import { changeList } from './changes.js';
import { RouteFields } from './route-fields.js';
import { RouteList } from './route-list.js';
import { texts } from './texts.js';
import { TrialPart } from './trial.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/notifications.js').Routes} Routes
 * @typedef {import('../../../model/route-form.js').RouteForm} RouteForm
 * @typedef {import('../../../model/routes-draft.js').RoutesVersion} RoutesVersion
 */

/** How often the server is asked what is decided, and while that is not in force, in milliseconds. */
const period = 10_000;
const waitingPeriod = 2000;

/** How many areas are offered. */
const offeredAreas = 1000;

/**
 * Lets people decide who is notified of which alerts: the routes in their order, what each says, who would be notified of an alert, and the versions.
 *
 * @type {import('../../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./routes.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new RoutesPage(root, session, signal).start();
}

class RoutesPage {
  #root;
  #session;
  #frames;
  #draft;
  #request;
  #versions;
  #state;
  #list;
  #fields;
  #trial;
  #bar;
  /** @type {DecisionQuestion<RoutesVersion>} */
  #question;
  /** @type {VersionList<RoutesVersion>} */
  #versionList;
  /** @type {Routes | null} */
  #plan = null;
  /** The newest first. @type {RoutesVersion[]} */
  #decided = [];
  /** @type {import('./route-fields.js').Offered} */
  #offered = { channels: [], calendars: [], areas: [], rules: [] };
  /** The id of the route that is shown in the form; empty for none. */
  #chosen = '';
  /** How many routes were added here. */
  #added = 0;
  /** What the trial has refused. @type {unknown} */
  #refused = null;
  /** What has just been done to the list; empty for nothing. */
  #said = '';
  /** @type {(() => void)[]} */
  #loads;

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
    this.#draft = new RoutesDraft(history, { onDecided: () => this.#versions.load() }, signal);
    this.#request = session.ask((asking) => routes(history, asking), (plan) => this.#apply(plan), signal);
    this.#versions = session.ask((asking) => this.#draft.versions(asking), (versions) => (this.#decided = versions), signal);
    const offer = (/** @type {Partial<import('./route-fields.js').Offered>} */ more) => (this.#offered = { ...this.#offered, ...more });
    const asked = [
      session.ask((asking) => channels(history, asking), ({ items }) => offer({ channels: items.map(({ name }) => name) }), signal),
      session.ask((asking) => history.areas(asking), (areas) => offer({ areas: areaPaths(areas, offeredAreas) }), signal),
      session.ask((asking) => new RuleRequests(history).list({}, asking), ({ items }) => offer({ rules: items.map(({ name }) => name) }), signal),
    ];
    this.#loads = asked.map((request) => () => request.load());
    this.#state = new LoadState(this.#at('#plan-state'), session, { empty: texts.planFailed, failed: texts.planFailed, onRetry: () => this.#request.load() }, signal);
    this.#list = new RouteList(this.#at('#plan-list'), session, {
      onChoose: (id) => this.#choose(id), onMove: (id, by) => this.#move(id, by), onCopy: (id) => this.#copy(id), onRemove: (id) => this.#remove(id),
    }, signal);
    this.#fields = new RouteFields(this.#at('#plan-form'), session, (route) => this.#change(route));
    this.#trial = new TrialPart(this.#at('#plan-trial'), session, {
      subject: () => (this.#plan ? { routes: this.#draft.typed.routes, edited: this.#draft.dirty } : null), check: () => this.#check(), onRefused: (error) => this.#refuse(error),
    }, signal);
    this.#bar = new DecisionBar(this.#at('#plan-decision'), session, this.#draft, {
      onSave: (reason) => void this.#save(reason), onBack: () => this.#question.open({ kind: 'back' }), onDiscard: () => this.#discard(),
    });
    this.#question = new DecisionQuestion(find(root, '#plan-question', HTMLDialogElement), session, {
      draft: this.#draft, back: () => backQuestion(session.locale), onConfirm: (question, reason) => void this.#confirmed(question, reason),
      changes: (question) => changeList(this.#draft.base?.items ?? [], question.kind === 'restore' ? question.version.routes : this.#plan?.configured_routes ?? [], session),
    }, signal);
    this.#versionList = new VersionList(this.#at('#plan-versions'), session, {
      empty: versionsNone, name: (version) => versionName(version, session.locale), what: (version, before) => this.#versionWords(version, before),
      restorable: ({ deleted }) => !deleted && this.#plan?.decidable === true, onRestore: (version) => this.#question.open({ kind: 'restore', version }),
    });
    session.unsaved.watch(() => this.#draft.loss, signal);
    for (const store of [this.#request, this.#versions, ...asked]) store.subscribe(() => this.#frames.request(this.#draw), { signal });
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { appearance, clock, plant } = this.#session;
    this.#draft.subscribe(() => this.#draw(), { signal }); // What is typed is drawn at once.
    for (const store of [appearance, plant]) store.subscribe(() => this.#frames.request(this.#show), { signal });
    clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(this.#draft.base?.in_force === false ? waitingPeriod : period);
    }, { signal });
    this.#at('#route-add').addEventListener('click', () => this.#add(), { signal });
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
    this.#versions.load();
    for (const load of this.#loads) load();
  }

  /** @param {Routes} plan */
  #apply(plan) {
    this.#plan = plan;
    this.#offered = { ...this.#offered, calendars: plan.calendars.map(({ name }) => name) };
    this.#draft.take(plan);
  }

  /** @param {RouteForm[]} all */
  #edit(all, said = '') {
    this.#refused = null;
    this.#said = said;
    this.#draft.edit(all);
  }

  /** @param {RouteForm} route */
  #change(route) {
    this.#edit(this.#draft.value.map((one) => (one.id === route.id ? route : one)));
  }

  /** @param {string} id */
  #choose(id) {
    this.#chosen = id;
    this.#draw();
    this.#fields.focus();
  }

  /** A place among the routes, and what is there called. @param {string} id */
  #found(id) {
    const at = this.#draft.value.findIndex((route) => route.id === id);
    const route = this.#draft.value[at];
    return { at, route, name: visible(route?.name ?? '') || this.#session.locale.t(texts.unnamed) };
  }

  /**
   * @param {string} id
   * @param {-1 | 1} by
   */
  #move(id, by) {
    const { at, name, route } = this.#found(id);
    if (!route) return;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['act'] : '';
    const all = this.#draft.value.toSpliced(at, 1);
    all.splice(at + by, 0, route);
    this.#edit(all, this.#session.locale.t(texts.movedOne, { name, number: at + by + 1 }));
    this.#list.focus(id, focused);
  }

  #add() {
    const id = `new ${++this.#added}`;
    const all = this.#draft.value;
    // Behind one that takes everything it would take nothing.
    this.#chosen = id;
    this.#edit([blankRoute(id, this.#plan?.time_zone ?? 'UTC'), ...all]);
    this.#fields.focus();
  }

  /** @param {string} id */
  #copy(id) {
    const { at, route } = this.#found(id);
    if (!route) return;
    const copy = copyOf(route, this.#draft.value, `new ${++this.#added}`);
    this.#chosen = copy.id;
    this.#edit(this.#draft.value.toSpliced(at + 1, 0, copy));
    this.#fields.focus();
  }

  /** @param {string} id */
  #remove(id) {
    const { at, name } = this.#found(id);
    const all = this.#draft.value.toSpliced(at, 1);
    if (this.#chosen === id) this.#chosen = '';
    this.#edit(all, this.#session.locale.t(texts.removedOne, { name }));
    const next = all[Math.min(at, all.length - 1)];
    if (next) this.#list.focus(next.id, 'close');
    else this.#at('#route-add').focus();
  }

  #discard() {
    this.#refused = null;
    this.#said = '';
    this.#draft.reset();
    this.#bar.focus();
  }

  /** Whether what was typed can be sent; otherwise goes to the first mistake. */
  #check() {
    const [mistake] = this.#draft.typed.mistakes;
    if (!mistake) return true;
    this.#chosen = this.#draft.value[mistake.route]?.id ?? '';
    this.#draw();
    this.#fields.focusMistake();
    return false;
  }

  /** What the trial has refused; null for nothing. @param {unknown} error */
  #refuse(error) {
    this.#refused = error;
    const [first] = this.#mistakes;
    if (first) this.#chosen = first.id;
    this.#draw();
  }

  /** @param {string} reason */
  async #save(reason) {
    if (!this.#check()) return;
    const { at } = this.#found(this.#chosen);
    this.#refused = null;
    this.#said = '';
    await this.#draft.save(reason);
    if (this.#draft.made) {
      this.#chosen = this.#draft.value[at]?.id ?? '';
      this.#request.load();
      this.#draw();
      this.#bar.focus();
      return;
    }
    const [first] = this.#mistakes;
    if (!first) return;
    this.#chosen = first.id;
    this.#draw();
    this.#fields.focusMistake();
  }

  /**
   * @param {import('../../../components/notifications/question.js').Question<RoutesVersion>} question
   * @param {string} reason
   */
  async #confirmed(question, reason) {
    this.#bar.focus();
    if (question.kind === 'restore') await this.#draft.restore(question.version.version, reason);
    else await this.#draft.remove(reason);
    if (!this.#draft.made) return;
    this.#request.load();
    this.#draw();
    this.#bar.focus();
  }

  /** What the server has refused, by route. @returns {{id: string, field: string, message: string}[]} */
  get #mistakes() {
    return [this.#draft.error, this.#refused].flatMap((error) => (error instanceof HistoryError && error.status === 422 ? error.mistakes : [])).flatMap(({ location, message }) => {
      const place = placeOf(location);
      const route = place && this.#draft.value[place.route];
      return route ? [{ id: route.id, field: place.field, message }] : [];
    });
  }

  /**
   * @param {RoutesVersion} version
   * @param {RoutesVersion | undefined} before
   */
  #versionWords(version, before) {
    if (version.deleted || !before || before.deleted) return '';
    return changeList(before.routes, version.routes, this.#session);
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
    this.#state.update(this.#request, { empty: !plan });
    for (const panel of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll('.panel'))) panel.hidden = !plan;
    if (!plan) return;
    const { base, theirs, typed, value } = this.#draft;
    const mistakes = this.#mistakes;
    const by = (/** @type {number} */ version) => byWords(this.#decided, version, this.#session);
    setText(this.#at('#plan-origin'), base ? originWords(base, plan.origin, by(base.version), locale) : '');
    showWarnings(this.#at('#plan-warnings'), plan, this.#session, plan.decidable === false ? [locale.t(texts.planUndecidable)] : []);
    this.#at('#route-add').hidden = plan.decidable !== true;
    const wrong = new Set([...mistakes.map(({ id }) => id), ...typed.mistakes.map(({ route }) => value[route]?.id ?? '')]);
    this.#list.show({ routes: value, base: this.#draft.before, chosen: this.#chosen, wrong, decidable: plan.decidable === true });
    const chosen = value.find(({ id }) => id === this.#chosen) ?? null;
    setText(this.#at('#plan-form-title'), chosen ? visible(chosen.name) || locale.t(texts.unnamed) : locale.t(texts.partRoute));
    this.#fields.show(chosen, this.#offered, mistakes.filter(({ id }) => id === this.#chosen));
    this.#bar.show({
      by, back: backWords(locale), fresh: false, said: this.#said, waits: base ? reasonWords(base, plan.origin, locale) : '',
      theirs: theirs && base ? changeList(base.items, theirs.items, this.#session) : '', why: (version) => this.#decided.find((one) => one.version === version)?.reason ?? '',
    });
    this.#trial.show();
    this.#versionList.show(this.#decided, base && base.version > 0 ? base.version : this.#decided[0]?.deleted ? this.#decided[0].version : undefined);
  };

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
