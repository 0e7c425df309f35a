// @ts-check
import { setText, textElement } from '../components/dom.js';
import { visible } from '../locale/visible.js';
import { asksForSomebody } from '../model/alert-life.js';
import { decodedId } from '../model/device-link.js';
import { parentPath, routes } from './routes.js';
import { texts } from './texts.js';

/** The page whose link says how many alerts ask for somebody. */
const counted = 'alerts';

/**
 * Links to all pages, and the name of the present one in the browser's tab, with how many alerts ask for somebody; nothing while there is only one.
 */
export class Navigation {
  /** @type {{route: import('./routes.js').Route, link: HTMLAnchorElement, name: HTMLElement}[]} */
  #links;
  #badge = textElement('span', '', 'badge');
  #session;
  #router;

  /**
   * @param {HTMLElement} element
   * @param {import('./session.js').Session} session
   * @param {import('./router.js').Router} router
   * @param {AbortSignal} signal
   */
  constructor(element, session, router, signal) {
    this.#session = session;
    this.#router = router;
    const own = routes.filter((route) => !parentPath(route));
    this.#links = own.map((route) => {
      const link = document.createElement('a');
      const name = textElement('span', '');
      link.href = router.href(route);
      link.append(name, ...(route.path === counted ? [this.#badge] : []));
      return { route, link, name };
    });
    element.append(...this.#links.map(({ link }) => link));
    element.hidden = own.length < 2;
    router.subscribe(() => this.update(), { signal });
    session.alerts.subscribe(() => this.#count(), { signal });
  }

  /** Also in another language. */
  update() {
    for (const { route, link, name } of this.#links) {
      setText(name, this.#session.locale.t(route.name));
      const current = this.#router.route;
      link.ariaCurrent = route === current ? 'page' : route.path === parentPath(current) ? 'true' : null;
    }
    this.#count();
  }

  /** Says how many alerts ask for somebody: a tab that is not looked at says so, too. */
  #count() {
    if (this.#links.length < 2) return;
    const { alerts, locale } = this.#session;
    const count = alerts.pending.reduce((sum, alert) => sum + (asksForSomebody(alert) ? 1 : 0), 0);
    const words = locale.number(count);
    this.#badge.hidden = count === 0;
    setText(this.#badge, words);
    this.#badge.setAttribute('role', 'img');
    this.#badge.setAttribute('aria-label', locale.t(texts.unacknowledgedCount, { count }));
    const title = count > 0 ? locale.t(texts.titleCount, { count: words, title: this.#title }) : this.#title;
    if (document.title !== title) document.title = title;
  }

  get #title() {
    const { item, route } = this.#router;
    return [visible(decodedId(item) ?? item), this.#session.locale.t(route.name), 'iotmon'].filter(Boolean).join(' – ');
  }
}
