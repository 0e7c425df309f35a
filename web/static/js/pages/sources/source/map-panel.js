// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { find, setText } from '../../../components/dom.js';
import { Frames } from '../../../components/frames.js';
import { LoadState } from '../../../components/load-state.js';
import { VirtualRows } from '../../../components/virtual-rows.js';
import { visible } from '../../../locale/visible.js';
import { HistoryError } from '../../../model/history.js';
import { MapDraft } from '../../../model/map-draft.js';
import { refusalOf } from '../../../model/source-map.js';
import { proposedRule } from '../../../model/source-rules.js';
import { agoWords } from '../words.js';
import { DecisionPanel } from './decision-panel.js';
import { messageParts } from './reject-list.js';
import { RulesPanel } from './rules-panel.js';
import { texts } from './texts.js';
import { ValueRow } from './value-row.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/sources.js').Seen} Seen
 * @typedef {import('./value-row.js').Received} Received
 */

/** How often the server is asked what has come, in milliseconds. */
const period = 5000;

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** What a source receives on one side, what it becomes by the rules on the other. */
export class MapPanel {
  #root;
  #session;
  #frames;
  #request;
  #state;
  #draft;
  #decision;
  #rules;
  #search;
  /** @type {VirtualRows<ValueRow>} */
  #rows;
  /** @type {Seen | null} */
  #seen = null;
  /** @type {Received[]} */
  #listed = [];
  /** The key of the value that was chosen last; empty for none. */
  #chosen = '';
  #bytes = false;

  /**
   * @param {HTMLElement} root The page's.
   * @param {Session} session
   * @param {string} name The source's.
   * @param {AbortSignal} signal
   */
  constructor(root, session, name, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#search = find(root, '#map-filters input', HTMLInputElement);
    const { history } = session;
    const load = () => this.#request.load();
    this.#draft = new MapDraft(history, { name, onDecided: () => this.#decided() }, signal);
    const question = (/** @type {AbortSignal} */ asking) => (this.#draft.dirty ? history.tryRules(name, this.#draft.rules, asking) : history.seen(name, asking));
    this.#request = session.ask(question, (seen) => this.#apply(seen), signal);
    this.#rules = new RulesPanel(root, session, { name, draft: this.#draft, onChange: load }, signal);
    this.#decision = new DecisionPanel(root, session, { name, draft: this.#draft, onDiscard: load }, signal);
    session.unsaved.watch(() => this.#draft.loss, signal);
    this.#draft.subscribe(() => this.#frames.request(this.#draw), { signal });
    const list = find(root, '#values tbody', HTMLElement);
    this.#rows = new VirtualRows({
      frame: this.#at('#values'), list, make: () => new ValueRow(root), write: (row, i) => this.#write(row, i), keyOf: (i) => this.#listed[i]?.key,
      printed: printedRows, signal,
    });
    this.#state = new LoadState(this.#at('#values-state'), session, { empty: texts.mapNothing, failed: texts.mapFailed, onRetry: load }, signal);
    this.#follow(list, signal);
  }

  /**
   * @param {HTMLElement} list
   * @param {AbortSignal} signal
   */
  #follow(list, signal) {
    const draw = () => this.#frames.request(this.#draw);
    this.#request.subscribe(draw, { signal });
    this.#session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
    }, { signal });
    this.#search.addEventListener('input', () => {
      this.#narrow();
      draw();
    }, { signal });
    find(this.#root, '#map-filters', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault(), { signal });
    list.addEventListener('click', (event) => {
      const row = event.target instanceof Element ? event.target.closest('tr:not(.spacer)') : null;
      if (!row) return;
      event.preventDefault();
      const index = this.#rows.indexOf(row);
      this.#choose(index);
    }, { signal });
  }

  start() {
    this.#request.load();
    this.#decision.start();
  }

  /** What is known of the source. @param {import('../../../model/sources.js').Source} source */
  set source({ kind, map = '', map_error: mapError = '' }) {
    this.#rules.kind = kind;
    this.#decision.shared = map;
    this.#decision.mapError = mapError;
  }

  /** Another map is decided: what arrives may become something else. */
  #decided() {
    this.#request.load();
    this.#decision.renew();
  }

  /** @param {Seen} seen */
  #apply(seen) {
    this.#seen = seen;
    this.#draft.begin(seen.rules);
    this.#narrow();
  }

  /** Lists the values that match what was typed. */
  #narrow() {
    const wanted = this.#search.value.trim().toLowerCase();
    const matches = (/** @type {string} */ text) => !wanted || text.toLowerCase().includes(wanted);
    this.#listed = (this.#seen?.items ?? []).flatMap((topic) => {
      const all = topic.values.length > 0 ? topic.values : [null];
      const received = all.map((value) => ({ key: JSON.stringify([topic.topic, value?.measurement, value?.field, value?.tags]), topic, value }));
      return received.filter(({ value }) => matches(topic.topic) || matches(value?.field ?? '') || matches(value?.becomes?.device_id ?? ''));
    });
  }

  /** @param {number} index */
  #choose(index) {
    const received = this.#listed[index];
    if (!received) return;
    this.#chosen = received.key;
    this.#bytes = false;
    if (received.value) {
      const units = new Map([...this.#session.plant.specs].map(([type, { unit }]) => [type, unit]));
      this.#rules.propose(proposedRule(received.topic, received.value, { topics: this.#seen?.items ?? [], units }));
    }
    this.#draw();
  }

  /** Everything in another language. */
  show() {
    this.#rules.show();
    this.#decision.show();
    this.#draw();
  }

  #draw = () => {
    const { locale } = this.#session;
    const items = this.#seen?.items ?? [];
    // What was seen last stays in sight while the rules that were typed cannot be.
    const [tried, decided] = [refusal(this.#request.error), refusal(this.#draft.error)];
    this.#rules.refusal = decided ?? tried;
    if (tried) this.#at('#values-state').hidden = true;
    else this.#state.update(this.#request, { empty: items.length === 0 });
    this.#rows.show(this.#listed.length);
    const values = items.flatMap((topic) => topic.values);
    const devices = new Set(values.flatMap(({ becomes }) => (becomes ? [becomes.device_id] : [])));
    const mapped = values.filter(({ becomes }) => becomes).length;
    setText(this.#at('#map-summary'), values.length === 0 ? '' : locale.t(texts.mapSummary, { mapped, count: values.length, devices: devices.size }));
    setText(this.#at('#map-foot'), [locale.t(texts.mapHint), this.#seen?.more ? locale.t(texts.mapMore) : ''].filter(Boolean).join(' '));
    this.#showMessage();
  };

  /** Shows the message that holds the value that was chosen. */
  #showMessage() {
    const { clock, locale } = this.#session;
    const element = this.#at('#message');
    const topic = this.#listed.find(({ key }) => key === this.#chosen)?.topic;
    element.hidden = !topic?.message;
    if (!topic?.message) {
      render(nothing, element);
      return;
    }
    const name = locale.t(texts.messageTitle, { topic: visible(topic.topic) });
    const turn = () => {
      this.#bytes = !this.#bytes;
      this.#showMessage();
    };
    render(html`<h4>${name}</h4>
      <p class="soft">${locale.t(texts.messageCount, { count: topic.count, time: agoWords(topic.at, clock.now(), locale) })}</p>
      ${messageParts(topic.message, { bytes: this.#bytes, locale, label: name, onTurn: turn })}`, element);
  }

  /**
   * @param {ValueRow} row
   * @param {number} index
   */
  #write(row, index) {
    const received = this.#listed[index];
    if (!received) return;
    row.show(received, received.key === this.#chosen, this.#session);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }
}

/**
 * Which rule was refused, and why; null if none was.
 *
 * @param {unknown} error
 */
function refusal(error) {
  return error instanceof HistoryError && error.status === 422 ? refusalOf(error) : null;
}
