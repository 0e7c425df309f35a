// @ts-check
import { decisionWords } from '../../../components/registry/decision.js';
import { find, setText } from '../../../components/dom.js';
import { decidedBy } from '../../../components/versions/decided-by.js';
import { VersionList } from '../../../components/versions/version-list.js';
import { terms } from '../../../locale/terms.js';
import { visible } from '../../../locale/visible.js';
import { HistoryError } from '../../../model/history.js';
import { changesOf, refusalOf } from '../../../model/source-map.js';
import { madeTypes } from '../../../model/source-rules.js';
import { MapQuestion } from './map-question.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/source-map.js').MapVersion} MapVersion
 * @typedef {import('../../../model/source-map.js').SourceMap} SourceMap
 */

/** How often the server is asked what is decided, and whether it is in force while it is not, in milliseconds. */
const period = 5000;
const waitingPeriod = 2000;

/** What is decided about the map of a source, by whom, and whether it is in force; decides what is tried, or what was decided before. */
export class DecisionPanel {
  #root;
  #session;
  #draft;
  #onDiscard;
  #map;
  #versions;
  /** @type {VersionList<MapVersion>} */
  #list;
  #question;
  /** What was decided, the newest first. @type {MapVersion[]} */
  #decided = [];
  #mapError = '';
  #shared = '';

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {{name: string, draft: import('../../../model/map-draft.js').MapDraft, onDiscard: () => void}} options What to call once nothing else is tried.
   * @param {AbortSignal} signal
   */
  constructor(root, session, { name, draft, onDiscard }, signal) {
    this.#root = root;
    this.#session = session;
    this.#draft = draft;
    this.#onDiscard = onDiscard;
    const { history } = session;
    this.#map = session.ask((asking) => history.sourceMap(name, asking), (map) => draft.take(map), signal);
    this.#versions = session.ask((asking) => history.mapVersions(name, asking), ({ items }) => (this.#decided = items), signal);
    this.#question = new MapQuestion(find(root, '#map-question', HTMLDialogElement), session, { draft, onConfirm: () => this.#at('#map-outcome').focus() }, signal);
    this.#list = new VersionList(find(root, '#map-versions', HTMLElement), session, {
      empty: texts.noVersions,
      name: ({ version: number }) => session.locale.t(texts.versionNumber, { number }),
      what: ({ origin, rules }) => (origin === 'configuration' ? session.locale.t(texts.versionOfFile) : session.locale.t(terms.ruleCount, { count: rules.length })),
      restorable: ({ origin }) => origin !== 'configuration',
      onRestore: (version) => this.#question.restore(version),
    });
    for (const store of [draft, this.#map, this.#versions]) store.subscribe(() => this.show(), { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) this.#map.renew(draft.base?.in_force === false ? waitingPeriod : period);
    }, { signal });
    this.#button('map-apply').addEventListener('click', () => void draft.apply(), { signal });
    this.#button('rules-discard').addEventListener('click', () => this.#discard(), { signal });
    this.#button('map-back').addEventListener('click', () => this.#question.remove(), { signal });
    this.#button('map-again').addEventListener('click', () => void draft.readAgain(), { signal });
  }

  start() {
    this.#map.load();
  }

  /** Another map is decided. */
  renew() {
    this.#map.load();
    this.#versions.load();
  }

  /** Why the source does not map by what was decided last; empty if it does. @param {string} reason */
  set mapError(reason) {
    if (reason === this.#mapError) return;
    this.#mapError = reason;
    this.show();
  }

  /** By what name people decide about the map if other sources have the same one; empty if they decide about this source alone. @param {string} name */
  set shared(name) {
    if (name === this.#shared) return;
    this.#shared = name;
    this.show();
  }

  #discard() {
    this.#draft.reset();
    this.#onDiscard();
  }

  /** Also in another language. */
  show() {
    const draft = this.#draft;
    const focused = document.activeElement;
    const offered = !(this.#map.phase === 'failed' && this.#map.status === 404);
    this.#at('#map-decision').hidden = !offered;
    this.#at('#map-versions').hidden = !offered;
    setText(this.#at('#map-state'), draft.base ? this.#stateWords(draft.base) : this.#session.locale.t(terms.unknown));
    this.#at('#map-shared').hidden = !this.#shared;
    setText(this.#at('#map-shared'), this.#shared ? this.#session.locale.t(texts.mapShared, { name: visible(this.#shared) }) : '');
    const [kind, words] = this.#outcome();
    const outcome = this.#at('#map-outcome');
    outcome.dataset['kind'] = kind;
    setText(outcome, words);
    // Nothing that is below moves when an answer comes.
    const conflict = draft.conflict && !draft.busy;
    this.#button('map-apply').hidden = conflict;
    this.#button('map-apply').disabled = !draft.base || !draft.dirty || draft.busy;
    this.#button('map-again').hidden = !conflict;
    this.#button('rules-discard').disabled = !draft.dirty;
    this.#button('map-back').disabled = draft.base?.origin !== 'decided' || draft.busy;
    this.#list.show(this.#decided, draft.base?.version);
    this.#question.show();
    // The button that was pressed is gone, or cannot be pressed now: what came of it is read next.
    if (focused instanceof HTMLButtonElement && this.#at('#map-decision').contains(focused) && (focused.hidden || focused.disabled)) outcome.focus();
  }

  /** @param {SourceMap} map */
  #stateWords({ origin, version }) {
    const { locale } = this.#session;
    const by = this.#by(version);
    if (version === 0) return locale.t(texts.mapOfFile);
    return locale.t(origin === 'decided' ? texts.mapOfPeople : texts.mapOfFileAgain, { version, by });
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

  /** @returns {[string, string]} The kind of what there is to say, and the words. */
  #outcome() {
    const { locale } = this.#session;
    const { base, busy, conflict, dirty, error, made, theirs } = this.#draft;
    if (busy) return ['busy', locale.t(texts.mapApplying)];
    if (conflict) return ['conflict', theirs ? locale.t(texts.mapChanged, { version: theirs.version, by: this.#by(theirs.version) }) : locale.t(texts.mapChangedUnknown)];
    if (error) return ['failed', this.#failure(error)];
    if (!base) return this.#map.phase === 'failed' ? ['failed', decisionWords(this.#map.error, locale)] : ['', locale.t(terms.loading)];
    if (dirty) return ['', this.#becomes(base)];
    const reason = base.reason || this.#mapError;
    if (!base.in_force) return ['waiting', reason ? locale.t(texts.mapCannot, { reason: visible(reason) }) : locale.t(texts.mapWaiting)];
    const rules = locale.t(terms.ruleCount, { count: base.rules.length });
    return [made ? 'saved' : '', locale.t(made ? texts.mapInForceNow : texts.mapInForce, { rules })];
  }

  /** @param {unknown} error */
  #failure(error) {
    const { locale } = this.#session;
    const refused = error instanceof HistoryError && error.status === 422 ? refusalOf(error).rule : -1;
    return refused >= 0 ? locale.t(texts.mapRefused, { number: refused + 1 }) : decisionWords(error, locale);
  }

  /**
   * Says what the whole map becomes.
   *
   * @param {SourceMap} base
   */
  #becomes(base) {
    const { locale } = this.#session;
    const { rules } = this.#draft;
    const { added, removed, moved } = changesOf(base.rules, rules);
    const changes = [
      added.size > 0 ? locale.t(texts.rulesAdded, { count: added.size }) : '',
      removed.length > 0 ? locale.t(texts.rulesRemoved, { count: removed.length }) : '',
      moved ? locale.t(texts.rulesMoved) : '',
    ].filter(Boolean).join(locale.t(terms.listSeparator));
    const words = locale.t(texts.mapBecomes, { rules: locale.t(terms.ruleCount, { count: rules.length }), changes });
    const types = madeTypes(rules, this.#session.plant.specs);
    return [
      words,
      types.length > 0 ? locale.t(texts.mapMakesTypes, { types: types.map(visible).join(locale.t(terms.listSeparator)) }) : '',
      base.origin === 'configuration' ? locale.t(texts.mapBeforeFile) : '',
    ].filter(Boolean).join(locale.t(terms.sentenceSeparator));
  }

  /** @param {string} id */
  #button(id) {
    return find(this.#root, `#${id}`, HTMLButtonElement);
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}
