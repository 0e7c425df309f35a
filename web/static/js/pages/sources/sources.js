// @ts-check
import { offerChoices } from '../../components/choices.js';
import { CopyButton } from '../../components/copy-button.js';
import { find, setText } from '../../components/dom.js';
import { Frames } from '../../components/frames.js';
import { LoadState } from '../../components/load-state.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { VirtualRows } from '../../components/virtual-rows.js';
import { selectedSources, SourceRates, troubled } from '../../model/sources.js';
import { SourceRow } from './source-row.js';
import { texts } from './texts.js';
import { stateNames, stateWords } from './words.js';

/**
 * @typedef {import('../../app/session.js').Session} Session
 * @typedef {import('../../model/sources.js').Source} Source
 */

/** How often the server is asked, in milliseconds. */
const period = 2000;

/** The number of rows that are written in one frame. */
const rowsTogether = 8;

/** The number of rows that are printed on paper. */
const printedRows = 50;

/** A source to begin with; its topic is in the reader's language. */
const example = `sources:
  - name: hall-3
    mqtt:
      url: tcp://broker:1883
      topics: ["plant/#"]  # {comment}
    map:
      - {topic: "plant/+/temperature", device: "{{topic 2}}", type: temperature_sensor}
`;

/**
 * Shows where readings come from, and whether they do.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./sources.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  new SourcesPage(root, session, signal).start();
}

/** The list, drawn with each answer of the server. What narrows it is in the address. */
class SourcesPage {
  #root;
  #session;
  #frames;
  #request;
  #state;
  #form;
  /** @type {VirtualRows<SourceRow>} */
  #rows;
  #rates = new SourceRates();
  #copy;
  /** @type {Source[]} */
  #sources = [];
  /** Those that match. @type {Source[]} */
  #listed = [];

  /**
   * @param {HTMLElement} root
   * @param {Session} session
   * @param {AbortSignal} signal
   */
  constructor(root, session, signal) {
    this.#root = root;
    this.#session = session;
    this.#frames = new Frames(signal);
    this.#form = find(root, '#source-filters', HTMLFormElement);
    this.#copy = new CopyButton(find(root, '#example-copy', HTMLButtonElement), this.#at('#example-copied'), session, () => this.#at('#example').textContent ?? '', signal);
    const list = find(root, '#sources tbody', HTMLElement);
    this.#rows = new VirtualRows({
      frame: this.#at('#sources'), list, make: () => new SourceRow(root), write: (row, i) => this.#write(row, i), keyOf: (i) => this.#listed[i]?.name,
      together: rowsTogether, printed: printedRows, signal,
    });
    this.#request = session.ask((asking) => session.history.sources(asking), ({ items }) => this.#apply(items), signal);
    const retry = () => this.#request.load();
    this.#state = new LoadState(this.#at('#sources-state'), session, { empty: texts.sourcesNoMatch, failed: texts.sourcesFailed, onRetry: retry }, signal);
    this.#follow(list, signal);
  }

  /**
   * @param {HTMLElement} list
   * @param {AbortSignal} signal
   */
  #follow(list, signal) {
    const session = this.#session;
    const draw = () => this.#frames.request(this.#draw);
    this.#request.subscribe(draw, { signal });
    session.address.subscribe(draw, { signal });
    session.clock.subscribe(() => {
      if (!document.hidden) this.#request.renew(period);
      draw();
    }, { signal });
    session.appearance.subscribe(() => this.#show(), { signal });
    this.#form.addEventListener('input', () => session.address.replace({ search: this.#control('search').value, state: this.#control('state').value }), { signal });
    this.#form.addEventListener('submit', (event) => event.preventDefault(), { signal });
    this.#form.addEventListener('reset', (event) => {
      event.preventDefault();
      session.address.replace({ search: '', state: '' });
      this.#control('search').focus(); // The button is gone.
    }, { signal });
    list.addEventListener('click', (event) => {
      // The whole row opens its source.
      const row = event.target instanceof Element && !event.target.closest('a') ? event.target.closest('tr') : null;
      row?.querySelector('a')?.click();
    }, { signal });
  }

  start() {
    this.#show();
    this.#request.load();
  }

  /** @param {Source[]} sources */
  #apply(sources) {
    this.#rates.apply(sources);
    this.#sources = sources;
  }

  /** Everything in the present language. */
  #show() {
    const { locale } = this.#session;
    translate(this.#root, locale, texts);
    setText(this.#at('#example'), example.replace('{comment}', locale.t(texts.yourTopic)));
    this.#copy.show();
    this.#draw();
  }

  #draw = () => {
    const { address, locale } = this.#session;
    const query = { search: address.get('search'), state: address.get('state') };
    const narrowed = query.search !== '' || query.state !== '';
    this.#listed = selectedSources(this.#sources, query);
    const none = this.#request.phase === 'loaded' && this.#sources.length === 0;
    this.#at('#sources-none').hidden = !none;
    for (const element of [this.#at('#sources-listed'), this.#form]) element.hidden = none;
    this.#offer(query.state);
    if (this.#control('search').value !== query.search) this.#control('search').value = query.search;
    find(this.#form, '[type="reset"]', HTMLButtonElement).hidden = !narrowed;
    this.#state.update(this.#request, { empty: this.#listed.length === 0 });
    this.#rows.show(this.#listed.length);
    const troubles = this.#sources.filter(troubled).length;
    const count = this.#sources.length === 0 ? '' : locale.t(texts.sourceCount, { count: this.#sources.length });
    const words = troubles > 0 ? locale.t(texts.sourceTroubles, { count: troubles }) : count;
    setText(this.#at('#sources-count'), words);
    this.#at('#sources-count').classList.toggle('trouble', troubles > 0);
  };

  /** @param {string} state */
  #offer(state) {
    const { locale } = this.#session;
    /** @type {[string, string][]} */
    const choices = stateNames.map((name) => [name, stateWords({ state: name }, locale)[0]]);
    offerChoices(find(this.#form, '[name="state"]', HTMLSelectElement), [['', locale.t(texts.anyState)], ['trouble', locale.t(texts.inTrouble)], ...choices], state);
  }

  /**
   * @param {SourceRow} row
   * @param {number} index
   */
  #write(row, index) {
    const source = this.#listed[index];
    if (!source) return;
    row.show(source, this.#rates.of(source.name), this.#session);
    row.element.ariaRowIndex = String(index + 2); // The head is the first.
  }

  /** @param {string} selector */
  #at(selector) {
    return find(this.#root, selector, HTMLElement);
  }

  /** @param {string} name */
  #control(name) {
    const control = this.#form.elements.namedItem(name);
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement)) throw new Error(`the page has no ${name}`);
    return control;
  }
}
