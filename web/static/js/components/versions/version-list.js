// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { visible } from '../../locale/visible.js';
import { find, setText } from '../dom.js';
import { decidedBy } from './decided-by.js';
import { texts } from './texts.js';

/** @typedef {import('./decided-by.js').Decided} Decided */

/** What was decided about something, the newest first. @template {Decided} Version */
export class VersionList {
  #element;
  #session;
  #options;
  /** What is shown. @type {{versions: Version[], key: string} | null} */
  #shown = null;

  /**
   * @param {HTMLElement} element With a summary and a place for the list.
   * @param {import('../../app/session.js').Session} session
   * @param {object} options
   * @param {import('../../locale/locale.js').Text} options.empty What to say while there is none.
   * @param {(version: Version) => string} options.name What a version is called.
   * @param {(version: Version, before: Version | undefined) => unknown} options.what What it is: words, or a template.
   * @param {(version: Version) => boolean} options.restorable Whether it can be decided again.
   * @param {(version: Version) => void} options.onRestore
   */
  constructor(element, session, options) {
    this.#element = element;
    this.#session = session;
    this.#options = options;
  }

  /**
   * Also in another language.
   *
   * @param {Version[]} versions
   * @param {number | undefined} current The version that was decided last.
   */
  show(versions, current) {
    const { locale } = this.#session;
    // To say how many versions differ takes long.
    const restorable = versions.map((version) => (this.#options.restorable(version) ? 'y' : 'n')).join('');
    const key = [current, restorable, locale.language, this.#session.plant.version, new Date(this.#session.clock.now()).toDateString()].join();
    if (this.#shown?.versions === versions && this.#shown.key === key) return;
    this.#shown = { versions, key };
    setText(find(this.#element, 'summary', HTMLElement), locale.t(texts.versionsTitle, { count: versions.length }));
    const list = find(this.#element, '.version-list', HTMLElement);
    if (versions.length === 0) render(html`<p class="soft">${locale.t(this.#options.empty)}</p>`, list);
    else render(html`<ol class="versions" reversed>${versions.map((version, i) => this.#item(version, versions[i + 1], version.version === current))}</ol>`, list);
  }

  /**
   * @param {Version} version
   * @param {Version | undefined} before
   * @param {boolean} current
   */
  #item(version, before, current) {
    const { clock, locale } = this.#session;
    const { name, onRestore, restorable, what } = this.#options;
    const called = name(version);
    return html`<li class=${current ? 'open' : ''}>
      <div class="version-what"><strong>${called}</strong> ${what(version, before)}</div>
      <span class="soft version-by">${decidedBy(version, clock.now(), locale)}</span>
      ${version.reason ? html`<q class="version-why">${visible(version.reason)}</q>` : nothing}
      ${current ? html`<span class="version-current">${locale.t(texts.versionCurrent)}</span>`
        : restorable(version) ? html`<button type="button" class="button" aria-label=${locale.t(texts.versionRestore, { version: called })} @click=${() => onRestore(version)}>${locale.t(texts.restore)}</button>` : nothing}
    </li>`;
  }
}
