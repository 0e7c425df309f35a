// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { find, setText } from '../../../components/dom.js';
import { texts } from './texts.js';
import { decidedBy } from './version-words.js';

/**
 * @typedef {import('../../../model/source-map.js').MapVersion} MapVersion
 * @typedef {import('../../../model/source-map.js').SourceMap} SourceMap
 */

/** What was decided about the map of a source, the newest first. */
export class VersionList {
  #root;
  #session;
  #onRestore;

  /**
   * @param {HTMLElement} root The page's.
   * @param {import('../../../app/session.js').Session} session
   * @param {(version: MapVersion) => void} onRestore
   */
  constructor(root, session, onRestore) {
    this.#root = root;
    this.#session = session;
    this.#onRestore = onRestore;
  }

  /**
   * @param {MapVersion[]} versions
   * @param {SourceMap | null} current
   */
  show(versions, current) {
    const { locale } = this.#session;
    setText(find(this.#root, '#map-versions summary', HTMLElement), locale.t(texts.versionsTitle, { count: versions.length }));
    const list = find(this.#root, '#versions', HTMLElement);
    if (versions.length === 0) render(html`<p class="soft">${locale.t(texts.noVersions)}</p>`, list);
    else render(html`<ol class="versions" reversed start=${versions[0]?.version ?? 1}>${versions.map((version) => this.#item(version, version.version === current?.version))}</ol>`, list);
  }

  /**
   * @param {MapVersion} version
   * @param {boolean} current
   */
  #item(version, current) {
    const { clock, locale } = this.#session;
    const number = version.version;
    const file = version.origin === 'configuration';
    return html`<li class=${current ? 'open' : ''}>
      <span class="version-what"><strong>${locale.t(texts.versionNumber, { number })}</strong> ${file ? locale.t(texts.versionOfFile) : locale.t(texts.ruleCount, { count: version.rules.length })}</span>
      <span class="soft version-by">${decidedBy(version, clock.now(), locale)}</span>
      ${current ? html`<span class="version-current">${locale.t(texts.versionCurrent)}</span>`
        : file ? nothing
          : html`<button type="button" class="button" aria-label=${locale.t(texts.versionRestore, { number })} @click=${() => this.#onRestore(version)}>${locale.t(texts.restore)}</button>`}
    </li>`;
  }
}
