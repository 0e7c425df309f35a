// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../../vendor/lit-html/directives/repeat.js';
import { visible } from '../../../locale/visible.js';
import { readRoute, sameRoute } from '../../../model/route-form.js';
import { notifiesWords, selectionWords, whenNotified } from '../words.js';
import { texts } from './texts.js';

/**
 * @typedef {import('../../../app/session.js').Session} Session
 * @typedef {import('../../../model/route-form.js').RouteForm} RouteForm
 *
 * @typedef {object} Doing
 * @property {(id: string) => void} onChoose
 * @property {(id: string, by: -1 | 1) => void} onMove
 * @property {(id: string) => void} onCopy
 * @property {(id: string) => void} onRemove
 */

/** How many routes are drawn at first; the others follow, so many in each frame. */
const slice = 25;

/** The routes that are edited, in their order, in words. */
export class RouteList {
  #element;
  #session;
  #doing;
  /** What was drawn of a route that has not changed since. @type {WeakMap<RouteForm, {key: string, words: ReturnType<RouteList['words']>}>} */
  #said = new WeakMap();
  /** How many are drawn. */
  #drawn = slice;
  #more = 0;

  /**
   * @param {HTMLElement} element
   * @param {Session} session
   * @param {Doing} doing
   * @param {AbortSignal} signal
   */
  constructor(element, session, doing, signal) {
    this.#element = element;
    this.#session = session;
    this.#doing = doing;
    signal.addEventListener('abort', () => cancelAnimationFrame(this.#more), { once: true });
  }

  /**
   * Also in another language.
   *
   * @param {{routes: RouteForm[], base: RouteForm[], chosen: string, wrong: Set<string>, decidable: boolean}} shown Wrong are the ids of those with a mistake.
   */
  show(shown) {
    const { routes } = shown;
    const { locale } = this.#session;
    cancelAnimationFrame(this.#more);
    if (routes.length === 0) {
      render(html`<p class="empty">${locale.t(texts.noRoutes)}</p>`, this.#element);
      return;
    }
    const base = new Map(shown.base.map((route) => [route.id, route]));
    const wanted = Math.max(this.#drawn, routes.findIndex(({ id }) => id === shown.chosen) + 1);
    render(html`<ol class="routes plan-routes">${repeat(routes.slice(0, wanted), ({ id }) => id, (route, i) => this.#item(route, i, shown, base.get(route.id)))}</ol>`, this.#element);
    if (wanted >= routes.length) return;
    this.#more = requestAnimationFrame(() => {
      this.#drawn = wanted + slice;
      this.show(shown);
    });
  }

  /**
   * Goes to a button of a route, or to its name if that cannot be pressed.
   *
   * @param {string} id
   * @param {string} [act]
   */
  focus(id, act = '') {
    const item = [...this.#element.querySelectorAll('[data-route]')].find((one) => one instanceof HTMLElement && one.dataset['route'] === id);
    /** @type {HTMLElement | null | undefined} */ (item?.querySelector(`[data-act="${act}"]:not(:disabled)`) ?? item?.querySelector('.route-choose'))?.focus();
  }

  /**
   * What a route says.
   *
   * @param {RouteForm} route
   */
  words(route) {
    const { locale } = this.#session;
    const { body } = readRoute(route);
    return { name: visible(body.name) || locale.t(texts.unnamed), what: selectionWords(body, this.#session), who: notifiesWords(body, locale), when: whenNotified(body, locale) };
  }

  /** @param {RouteForm} route */
  #words(route) {
    const key = `${this.#session.locale.language} ${this.#session.plant.specs.size}`;
    let found = this.#said.get(route);
    if (!found || found.key !== key) this.#said.set(route, (found = { key, words: this.words(route) }));
    return found.words;
  }

  /**
   * @param {RouteForm} route
   * @param {number} i
   * @param {Parameters<RouteList['show']>[0]} shown
   * @param {RouteForm | undefined} before
   */
  #item(route, i, { chosen, decidable, routes, wrong }, before) {
    const { locale } = this.#session;
    const { id } = route;
    const { name, what, who, when } = this.#words(route);
    const { onChoose, onCopy, onMove, onRemove } = this.#doing;
    const marks = [
      wrong.has(id) ? html`<strong class="route-wrong">${locale.t(texts.hasMistake)}</strong>` : nothing, route.disabled ? html`<span class="route-mark">${locale.t(texts.disabledRoute)}</span>` : nothing,
      !before ? html`<span class="route-mark">${locale.t(texts.added)}</span>` : !sameRoute(route, before) ? html`<span class="route-mark">${locale.t(texts.edited)}</span>` : nothing,
    ];
    const button = (/** @type {string} */ icon, /** @type {string} */ words, /** @type {() => void} */ act, disabled = false) => html`<button type="button" class="button button-icon" data-act=${icon} aria-label=${words} title=${words}
      ?disabled=${disabled} @click=${act}><svg class="icon" aria-hidden="true"><use href="#icon-${icon === 'down' ? 'up' : icon}"></use></svg></button>`;
    return html`<li class=${id === chosen ? 'open' : ''} data-route=${id} data-disabled=${route.disabled ? 'true' : nothing}>
      <h4><button type="button" class="link route-choose" aria-label=${locale.t(texts.routeNumber, { number: i + 1, count: routes.length, name })} aria-pressed=${id === chosen} @click=${() => onChoose(id)}>${name}</button> ${marks}</h4>
      <p class="route-what">${what}</p>
      <p>${who}</p>
      <ul class="route-when">${when.map((words) => html`<li>${words}</li>`)}</ul>
      ${decidable ? html`<div class="route-acts">
        ${button('up', locale.t(texts.moveUp, { name }), () => onMove(id, -1), i === 0)}${button('down', locale.t(texts.moveDown, { name }), () => onMove(id, 1), i === routes.length - 1)}
        <button type="button" class="button" data-act="copy" aria-label=${locale.t(texts.copyOne, { name })} @click=${() => onCopy(id)}>${locale.t(texts.copyShort)}</button>
        ${button('close', locale.t(texts.removeOne, { name }), () => onRemove(id))}</div>` : nothing}
    </li>`;
  }
}
