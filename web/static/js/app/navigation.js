// @ts-check
import { setText } from '../components/dom.js';
import { visible } from '../locale/visible.js';
import { decodedId } from '../model/device-link.js';
import { parentPath, routes } from './routes.js';

/** Links to all pages, and the name of the present one in the browser's tab; nothing while there is only one. */
export class Navigation {
  /** @type {{route: import('./routes.js').Route, link: HTMLAnchorElement}[]} */
  #links;
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
      link.href = router.href(route);
      return { route, link };
    });
    element.append(...this.#links.map(({ link }) => link));
    element.hidden = own.length < 2;
    router.subscribe(() => this.update(), { signal });
  }

  /** Also in another language. */
  update() {
    for (const { route, link } of this.#links) {
      setText(link, this.#session.locale.t(route.name));
      const current = this.#router.route;
      link.ariaCurrent = route === current ? 'page' : route.path === parentPath(current) ? 'true' : null;
    }
    if (this.#links.length > 1) document.title = this.#title;
  }

  get #title() {
    const { item, route } = this.#router;
    return [visible(decodedId(item) ?? item), this.#session.locale.t(route.name), 'iotmon'].filter(Boolean).join(' – ');
  }
}
