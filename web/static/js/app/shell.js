// @ts-check
import { Announcer } from '../components/announcer.js';
import { ConnectionBadge } from '../components/connection-badge.js';
import { find, setText } from '../components/dom.js';
import { LoadState } from '../components/load-state.js';
import { Segmented } from '../components/segmented.js';
import { StaleBanner } from '../components/stale-banner.js';
import { translate } from '../components/translation.js';
import { terms } from '../locale/terms.js';
import { CaughtUpNotice } from './caught-up-notice.js';
import { Leaving } from './leaving.js';
import { Navigation } from './navigation.js';
import { RefusedNotice } from './refused-notice.js';
import { Signals } from './signals.js';
import { texts } from './texts.js';
import { UpdateNotice } from './update-notice.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./router.js').Router} Router
 */

/** What is around every page, and the place where the page that the address names is shown. */
export class Shell {
  #session;
  #router;
  #outlet;
  #state;
  #notices;
  #banner;
  #badge;
  #navigation;
  #leaving;
  #language;
  #theme;
  #stopping = new AbortController();
  /** Ends the page that is shown. */
  #page = new AbortController();

  /**
   * @param {Session} session
   * @param {Router} router
   * @param {string} version That of the server which sent this page.
   */
  constructor(session, router, version) {
    const { signal } = this.#stopping;
    /** @param {string} selector */
    const at = (selector) => find(document, selector, HTMLElement);
    this.#session = session;
    this.#router = router;
    this.#outlet = at('#outlet');
    this.#badge = new ConnectionBadge(at('#connection'), session, signal);
    this.#notices = [
      new CaughtUpNotice(at('#caught-up'), session, signal),
      new RefusedNotice(at('#refused-notice'), session, signal),
      new UpdateNotice(at('#update-notice'), session, version, signal),
    ];
    this.#banner = new StaleBanner(at('#stale-banner'), at('#stale-announcer'), session, signal);
    new Announcer(at('#announcer'), session, signal);
    this.#navigation = new Navigation(at('#navigation'), session, router, signal);
    new Signals(session, (path) => this.#go(path), signal);
    this.#state = new LoadState(at('#page-state'), session, { empty: terms.loading, failed: texts.pageFailed, onRetry: () => this.#open() }, signal);
    this.#leaving = new Leaving(find(document, '#leave', HTMLDialogElement), session, signal);
    const { appearance } = session;
    this.#language = new Segmented(at('#language'), (language) => (appearance.language = language), signal);
    this.#theme = new Segmented(at('#theme'), (theme) => (appearance.theme = theme), signal);
    this.#follow(signal);
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const session = this.#session;
    session.appearance.subscribe(() => this.#show(), { signal });
    session.clock.subscribe(() => this.#showTime(), { signal });
    session.freshness.subscribe(() => this.#dim(), { signal });
    this.#router.subscribe(() => {
      void this.#open();
      // The link that led here may be gone: the keyboard goes on at the new page.
      find(document, '#main', HTMLElement).focus();
    }, { signal });
    for (const colors of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
      matchMedia(colors).addEventListener('change', () => session.appearance.systemChanged(), { signal });
    }
    addEventListener('online', () => session.connection.connect(), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || session.wake(), { signal });
    document.addEventListener('resume', () => session.wake(), { signal });
    addEventListener('pageshow', (event) => event.persisted && session.wake(), { signal });
  }

  /** Shows everything, connects, and opens the page that the address names. */
  start() {
    // The next page's address may be less deep, and what is named relative to it would then be somewhere else.
    for (const link of document.querySelectorAll('link')) link.href = link.href;
    this.#show();
    this.#router.listen(window, this.#leaving, this.#stopping.signal);
    this.#session.start();
    this.#open();
  }

  /**
   * Opens an address of the application, if what is shown may be left.
   *
   * @param {string} path Below the root.
   */
  async #go(path) {
    const { pathname, search } = new URL(this.#session.href(path));
    if (await this.#leaving.allowed()) this.#session.address.open({ pathname, search });
  }

  /** Ends the page before and shows the one that the address names. */
  async #open() {
    this.#page.abort();
    this.#page = new AbortController();
    const { signal } = this.#page;
    const { route } = this.#router;
    const root = document.createElement('div');
    root.className = 'page-root';
    this.#outlet.replaceChildren(root);
    this.#state.update({ phase: 'loading', reason: '' }, { empty: true });
    try {
      const { mount } = await route.load();
      await mount(root, this.#session, signal);
      if (!signal.aborted) this.#state.update({ phase: 'loaded', reason: '' }, { empty: false });
    } catch (error) {
      if (signal.aborted) return;
      this.#page.abort();
      root.replaceChildren();
      const reason = error instanceof Error ? error.message : String(error);
      this.#state.update({ phase: 'failed', reason }, { empty: true });
      console.error(error);
    }
  }

  /** Shows all of the shell in the present language and theme. */
  #show() {
    const { appearance, locale } = this.#session;
    paint(appearance.theme);
    document.documentElement.lang = locale.tag;
    this.#language.value = appearance.language;
    this.#theme.value = appearance.theme;
    for (const part of document.body.children) if (!part.contains(this.#outlet)) translate(part, locale, texts);
    translate(find(document, '#page-state', HTMLElement), locale, texts);
    this.#badge.update();
    this.#banner.update();
    this.#navigation.update();
    this.#leaving.update();
    for (const notice of this.#notices) notice.update();
    this.#showTime();
  }

  /** The server's time, which all others on the page are in too. */
  #showTime() {
    const { clock, locale } = this.#session;
    setText(find(document, '#clock', HTMLTimeElement), locale.dateTime(clock.now()));
  }

  /** Marks the page as stale, so that old numbers are not mistaken for new ones. */
  #dim() {
    document.documentElement.toggleAttribute('data-stale', this.#session.freshness.stale);
  }
}

/** @param {string} theme */
function paint(theme) {
  const { dataset } = document.documentElement;
  if (theme === 'auto') delete dataset['theme'];
  else dataset['theme'] = theme;
}
