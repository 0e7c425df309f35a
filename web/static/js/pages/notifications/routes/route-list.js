// @ts-check
import { html, nothing, render } from '../../../../vendor/lit-html/lit-html.js';
import { repeat } from '../../../../vendor/lit-html/directives/repeat.js';
import { Slices } from '../../../components/slices.js';
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

/** The routes that are edited, in their order, in words. */
export class RouteList {
  #element;
  #session;
  #doing;
  #slices;
  /** What was drawn for each of them. @type {WeakMap<RouteForm, {key: string, drawn: unknown}>} */
  #items = new WeakMap();

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
    this.#slices = new Slices(signal);
  }

  /**
   * Also in another language.
   *
   * @param {{routes: RouteForm[], base: RouteForm[], chosen: string, wrong: Set<string>, decidable: boolean}} shown Wrong are the ids of those with a mistake.
   */
  show(shown) {
    const { routes } = shown;
    const { locale } = this.#session;
    const base = new Map(shown.base.map((route) => [route.id, route]));
    const draw = (/** @type {number} */ count) => render(count === 0 ? html`<p class="empty">${locale.t(texts.noRoutes)}</p>`
      : html`<ol class="routes plan-routes">${repeat(routes.slice(0, count), ({ id }) => id, (route, i) => this.#drawn(route, i, shown, base.get(route.id)))}</ol>`, this.#element);
    this.#slices.show(routes.length, draw, routes.findIndex(({ id }) => id === shown.chosen) + 1);
  }

  /**
   * An item of the list, which is made anew only if it changes.
   *
   * @param {RouteForm} route
   * @param {number} i
   * @param {Parameters<RouteList['show']>[0]} shown
   * @param {RouteForm | undefined} before
   */
  #drawn(route, i, shown, before) {
    const { locale, plant } = this.#session;
    const same = before === route ? 'same' : before && sameRoute(route, before) ? 'equal' : before ? 'changed' : 'new';
    const key = [i, shown.routes.length, route.id === shown.chosen, shown.wrong.has(route.id), shown.decidable, same, locale.language, plant.specs.size].join();
    let found = this.#items.get(route);
    if (!found || found.key !== key) this.#items.set(route, (found = { key, drawn: this.#item(route, i, shown, before) }));
    return found.drawn;
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
  #words(route) {
    const { locale } = this.#session;
    const { body } = readRoute(route);
    return { name: visible(body.name) || locale.t(texts.unnamed), what: selectionWords(body, this.#session), who: notifiesWords(body, locale), when: whenNotified(body, locale) };
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
