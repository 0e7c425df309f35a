// @ts-check
import { backoff } from './backoff.js';
import { parseMessage, socketAddress } from './protocol.js';
import { localTime } from './server-clock.js';
import { Store } from './store.js';

/** @typedef {import('./protocol.js').Message} Message */

/**
 * What the connection is doing: trying, open, or waiting until retryAt, by the clock that nobody can set, for another
 * attempt.
 *
 * @typedef {{phase: 'connecting'} | {phase: 'open'} | {phase: 'waiting', retryAt: number}} ConnectionState
 */

/** A connection without a message for so long counts as lost: a laptop that slept, a cable that was pulled. */
const deadAfter = 60_000;

/** An attempt is given up when no hello message has come within this time. */
const greetedWithin = 10_000;

/**
 * Keeps a WebSocket to the server up for as long as the page lives. A lost connection is tried again, later and later, and
 * resumes where it was: the server then sends what was missed. It never touches the page, and is followed for its state.
 */
export class Connection extends Store {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ConnectionState} */
  #state = { phase: 'connecting' };
  /** @type {{session: string, since: number} | null} */
  #resume = null;
  #failures = 0;
  #refused = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {object} options
   * @param {{protocol: string, host: string}} options.location
   * @param {string} options.path
   * @param {(message: Message) => void} options.onMessage
   * @param {typeof fetch} [options.fetch]
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {() => number} [options.random]
   * @param {() => number} [options.local] This browser's time, by a clock that nobody can set.
   */
  constructor(options) {
    super();
    this.options = { WebSocket: globalThis.WebSocket, random: Math.random, local: localTime, fetch: globalThis.fetch, ...options };
  }

  get state() {
    return this.#state;
  }

  /** The milliseconds until the next attempt; 0 while none is awaited. */
  get retryIn() {
    return this.#state.phase === 'waiting' ? Math.max(0, this.#state.retryAt - this.options.local()) : 0;
  }

  /** Why the server refuses this page, in its words; empty if it does not. */
  get refused() {
    return this.#refused;
  }

  /** Connects at once, whether or not it was waiting. A connection that stands is left alone. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const { WebSocket, location, path } = this.options;
    const socket = new WebSocket(socketAddress(location, path, this.#resume));
    this.#socket = socket;
    this.#become({ phase: 'connecting' });
    this.#expect(greetedWithin);
    socket.onmessage = (event) => this.#receive(socket, String(event.data));
    // An error is always followed by a close.
    socket.onclose = () => this.#lost(socket);
  }

  /** Ends the connection for good. */
  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /**
   * @param {WebSocket} socket
   * @param {string} text
   */
  #receive(socket, text) {
    if (socket !== this.#socket) return;
    this.#expect(deadAfter);
    const message = parseMessage(text);
    if (message) this.#handle(message);
  }

  /** @param {Message} message */
  #handle(message) {
    if (message.type === 'hello') {
      this.#resume = { session: message.session, since: message.seq };
      this.#failures = 0;
      this.#refused = '';
      this.#become({ phase: 'open' });
    } else if (this.#resume) {
      this.#resume.since = message.seq;
    }
    this.options.onMessage(message);
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#timer);
    if (this.#failures === 0) void this.#ask();
    const wait = backoff(this.#failures++, this.options.random);
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#become({ phase: 'waiting', retryAt: this.options.local() + wait });
  }

  /** Asks the server for the reason, because the browser gives none for a refused WebSocket. */
  async #ask() {
    const { fetch, location, path } = this.options;
    try {
      const response = await fetch(socketAddress(location, path, null).replace(/^ws/, 'http'), { method: 'POST' });
      if (response.status !== 403) return;
      this.#refused = (await response.text()).trim();
      this.changed();
    } catch {
      // The server is down; the state says so already.
    }
  }

  /**
   * Gives the connection up unless a message comes within so many milliseconds. A socket whose peer is gone may take
   * minutes to close, so its end is not waited for.
   *
   * @param {number} milliseconds
   */
  #expect(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      socket.close();
      this.#lost(socket);
    }, milliseconds);
  }

  /** @param {ConnectionState} state */
  #become(state) {
    this.#state = state;
    this.changed();
  }
}
