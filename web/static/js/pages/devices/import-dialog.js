// @ts-check
import { html, nothing, render } from '../../../vendor/lit-html/lit-html.js';
import { decisionWords } from '../../components/registry/decision.js';
import { labelWords, limitWords, partNames } from '../../components/registry/words.js';
import { terms } from '../../locale/terms.js';
import { visible } from '../../locale/visible.js';
import { differences } from '../../model/entry.js';
import { FileImport } from '../../model/file-import.js';
import { HistoryError } from '../../model/history.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../model/device-list.js').Entry} Entry
 * @typedef {import('../../model/history.js').Imported} Imported
 * @typedef {import('../../app/session.js').Session} Session
 */

/** The largest file that the server takes, in bytes. */
const mostBytes = 32 << 20;

/** Imports a table of registry entries: it first shows what would change, and changes it when the reader agrees. */
export class ImportDialog {
  #dialog;
  #session;
  /** @type {FileImport<Imported>} */
  #import;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Session} session
   * @param {() => void} onImported
   * @param {AbortSignal} signal
   */
  constructor(dialog, session, onImported, signal) {
    this.#dialog = dialog;
    this.#session = session;
    this.#import = new FileImport((file, how, asking) => session.history.importEntries(file, how, asking), { mostBytes, onImported }, signal);
    this.#import.subscribe(() => this.show(), { signal });
    session.unsaved.watch(() => (dialog.open ? this.#import.loss : ''), signal);
    dialog.addEventListener('close', () => this.#import.cancel(), { signal });
    signal.addEventListener('abort', () => dialog.close(), { once: true });
  }

  open() {
    render(nothing, this.#dialog); // What was chosen before is not chosen again.
    this.#dialog.showModal();
    this.#import.choose(null);
  }

  /** Also in another language. */
  show() {
    if (!this.#dialog.open) return;
    const { locale } = this.#session;
    const { applied, busy, error, result, tooLarge } = this.#import;
    render(html`<h3 id="import-title">${locale.t(texts.importTitle)}</h3>
      <p class="soft">${locale.t(texts.importWords)}</p>
      ${applied ? nothing : html`<input type="file" accept=".csv,text/csv,text/plain" aria-label=${locale.t(texts.importFile)} @change=${(/** @type {Event} */ event) => this.#import.choose(/** @type {HTMLInputElement} */ (event.target).files?.[0] ?? null)}>`}
      <div role="status">${busy ? html`<p>${locale.t(texts.importBusy)}</p>` : nothing}${result && !busy ? html`<p><strong>${this.#summary(result)}</strong></p>` : nothing}</div>
      ${tooLarge ? html`<p class="question-problem" role="alert">${locale.t(texts.importTooLarge, { size: locale.number(mostBytes >> 20) })}</p>` : nothing}
      ${error ? this.#problem(error) : nothing}
      ${result && result.items.length > 0 ? this.#changes(result) : nothing}
      <div class="question-buttons">
        <button type="button" class="button" @click=${() => this.#dialog.close()}>${locale.t(applied ? terms.close : terms.cancel)}</button>
        ${result && !applied && result.changed > 0 ? html`<button type="button" class="button button-main" ?disabled=${busy} @click=${() => void this.#import.apply()}>${locale.t(texts.importApply, { count: result.changed })}</button>` : nothing}
      </div>`, this.#dialog);
  }

  /** @param {Imported} result */
  #summary({ dry_run: dry, rows, changed, in_force: inForce }) {
    const { locale } = this.#session;
    if (changed === 0) return locale.t(texts.importSame, { count: rows });
    if (dry) return locale.t(texts.importWould, { rows, count: changed });
    return locale.t(inForce ? texts.importDone : texts.importWaiting, { count: changed });
  }

  /** @param {unknown} error */
  #problem(error) {
    const mistakes = error instanceof HistoryError && [409, 422].includes(error.status) ? error.mistakes : [];
    const words = this.#words(error);
    return html`<div class="question-problem" role="alert"><p>${words}</p>
      ${mistakes.length > 0 ? html`<ul class="mistakes">${mistakes.map(({ location = '', message, value }) => html`<li><strong>${visible(location)}</strong> ${visible(message)} ${value === undefined ? nothing : html`<bdi>${visible(String(value))}</bdi>`}</li>`)}</ul>` : nothing}</div>`;
  }

  /** @param {unknown} error */
  #words(error) {
    const { locale } = this.#session;
    if (!(error instanceof HistoryError)) return decisionWords(error, locale);
    if (error.made > 0) {
      const reason = error.status === 409 ? locale.t(texts.importOvertaken) : decisionWords(error, locale);
      return locale.t(texts.importPartly, { count: error.made, reason });
    }
    return [412, 422].includes(error.status) ? locale.t(texts.importRefused, { reason: visible(error.message) }) : decisionWords(error, locale);
  }

  /** @param {Imported} result */
  #changes({ items, truncated }) {
    const { locale } = this.#session;
    return html`<div class="list-frame import-changes" tabindex="0" role="region" aria-label=${locale.t(texts.importChanges)}><table class="values">
        <thead><tr><th scope="col">${locale.t(terms.device)}</th><th scope="col">${locale.t(texts.importPart)}</th><th scope="col">${locale.t(texts.importBefore)}</th><th scope="col">${locale.t(texts.importAfter)}</th></tr></thead>
        <tbody>${items.map(({ device_id: id, before = {}, after }) => differences(before, after).map((part, i) => html`<tr>
          ${i === 0 ? html`<th scope="row"><bdi>${visible(id)}</bdi></th>` : html`<td></td>`}
          <td>${partNames([part], locale)}</td><td><bdi>${this.#part(before, part)}</bdi></td><td><bdi>${this.#part(after, part)}</bdi></td></tr>`))}</tbody>
      </table></div>
      ${truncated ? html`<p class="soft">${locale.t(texts.importTruncated, { count: items.length })}</p>` : nothing}`;
  }

  /**
   * @param {Entry} entry
   * @param {ReturnType<typeof differences>[number]} part
   */
  #part(entry, part) {
    const { locale } = this.#session;
    switch (part) {
      case 'labels':
        return labelWords(entry.labels ?? {}, locale) || locale.t(terms.unknown);
      case 'limits':
        return limitWords(entry.limits ?? {}, locale) || locale.t(terms.unknown);
      case 'retired':
        return locale.t(entry.retired ? terms.yes : terms.no);
      default:
        return visible(String(entry[part] || locale.t(terms.unknown)));
    }
  }
}
