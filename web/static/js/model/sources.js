// @ts-check

/**
 * Where readings come from, as the server describes it.
 *
 * @typedef {'waiting' | 'connecting' | 'connected' | 'failed' | 'unknown'} State
 *
 * @typedef {object} Source
 * @property {string} name
 * @property {string} kind
 * @property {State} state
 * @property {string} since
 * @property {string} [address]
 * @property {string} [instance]
 * @property {string} [error]
 * @property {string} [error_cause] What kind of error it is.
 * @property {string} [error_at]
 * @property {string} [log_error]
 * @property {number} connections
 * @property {number} messages
 * @property {number} readings
 * @property {number} rejected
 * @property {Record<string, number>} rejected_by
 * @property {number} [clients]
 * @property {number} untimed
 * @property {number} skipped
 * @property {number} missed
 * @property {number} unmapped
 * @property {number} [lag]
 * @property {string} [map] By what name people decide about its map, if others have the same one; absent if by its own.
 * @property {string} [map_error] Why it does not map by what was decided last.
 * @property {string} [last_message]
 * @property {string} [last_value]
 * @property {string} counted_at
 *
 * @typedef {{encoding: 'utf-8' | 'base64', payload: string, size: number, complete: boolean}} Sample The beginning of a message.
 * @typedef {Sample & {at: string, topic: string, field: string, reason: string} & import('../locale/reasons.js').Reason} Reject
 * @typedef {Source & {rejects: Reject[]}} SourceDetail
 *
 * @typedef {object} SourceReading What a value becomes.
 * @property {string} device_id
 * @property {string} device_type
 * @property {number} value
 * @property {string} unit
 * @property {string} [status] What is reported about the device, instead of a value.
 * @property {string} [below] Instead of the device: the beginning of the ids of all that it is about.
 *
 * @typedef {object} SourceValue A value of a message.
 * @property {string} [measurement]
 * @property {string} field
 * @property {Record<string, string>} [tags]
 * @property {number} [number]
 * @property {string} [text]
 * @property {string} [unit]
 * @property {string} [guessed_type] The device type that it seems to be of.
 * @property {SourceReading} [becomes]
 * @property {boolean} [note] It says something about the others, such as their time.
 * @property {string} [wrong_field]
 * @property {string} [reason]
 * @property {string} [reason_code]
 * @property {Record<string, string>} [reason_arguments]
 *
 * @typedef {object} Topic What came last of one topic.
 * @property {string} topic
 * @property {number} count
 * @property {string} at
 * @property {Sample} [message]
 * @property {SourceValue[]} values
 * @property {number} value_count
 * @property {string} [problem]
 * @property {import('../locale/reasons.js').Reason} [problem_reason] Its code.
 * @property {boolean} [report]
 *
 * @typedef {import('./source-rules.js').Rule} Rule
 * @typedef {{timestamp: string, items: Topic[], more: boolean, rules: Rule[]}} Seen
 *
 * @typedef {{messages: number, readings: number, rejected: number}} Rates By the second.
 */

/** How fast sources are, from what they have counted in successive answers. */
export class SourceRates {
  /** @type {Map<string, Source>} */
  #last = new Map();
  /** @type {Map<string, Rates>} */
  #rates = new Map();

  /** @param {Source[]} sources */
  apply(sources) {
    const last = new Map();
    const rates = new Map();
    for (const source of sources) {
      const before = this.#last.get(source.name);
      const since = before ? (Date.parse(source.counted_at) - Date.parse(before.counted_at)) / 1000 : 0;
      last.set(source.name, source);
      if (!before || source.state === 'unknown') continue;
      if (since <= 0) { // It is the answer of before.
        const known = this.#rates.get(source.name);
        if (known) rates.set(source.name, known);
        continue;
      }
      const [messages, readings, rejected] = [source.messages - before.messages, source.readings - before.readings, source.rejected - before.rejected];
      // Another program runs it now, or the same one was started again.
      if (messages < 0 || readings < 0 || rejected < 0) continue;
      rates.set(source.name, { messages: messages / since, readings: readings / since, rejected: rejected / since });
    }
    this.#last = last;
    this.#rates = rates;
  }

  /**
   * Undefined while it is not known.
   *
   * @param {string} name
   */
  of(name) {
    return this.#rates.get(name);
  }
}

/**
 * Whether somebody should look at a source: it receives nothing, what it receives does not come into the log, or it does not map as was decided.
 *
 * @param {Source} source
 */
export function troubled({ state, log_error: blocked, map_error: unmapped }) {
  return state === 'failed' || state === 'unknown' || blocked !== undefined || unmapped !== undefined;
}

/**
 * Returns the sources that match, those in trouble first, else as they come.
 *
 * @param {Source[]} sources
 * @param {{search: string, state: string}} query The state may be "trouble"; empty for any.
 */
export function selectedSources(sources, { search, state }) {
  const wanted = search.trim().toLowerCase();
  const matching = sources.filter((source) => {
    if (state === 'trouble' ? !troubled(source) : state && source.state !== state) return false;
    return !wanted || [source.name, source.kind, source.address ?? ''].some((text) => text.toLowerCase().includes(wanted));
  });
  return [...matching.filter(troubled), ...matching.filter((source) => !troubled(source))];
}

/**
 * Returns what is wrong with a source now; empty if nothing is.
 *
 * @param {Source} source
 */
export function problemOf({ state, error = '', log_error: blocked = '', map_error: unmapped = '' }) {
  if (blocked) return blocked;
  return (state === 'failed' || state === 'connecting' ? error : '') || unmapped;
}

/**
 * Returns a message as people read it: JSON with a line for each value, or what the message is.
 *
 * @param {Sample} sample
 */
export function laidOut({ encoding, payload, complete }) {
  if (encoding !== 'utf-8' || !complete) return payload;
  try {
    const value = JSON.parse(payload);
    return typeof value === 'object' ? JSON.stringify(value, null, 2) : payload;
  } catch {
    return payload;
  }
}

/** @param {Sample} sample */
export function base64Of({ encoding, payload }) {
  if (encoding === 'base64') return payload;
  return btoa(String.fromCharCode(...new TextEncoder().encode(payload)));
}

/**
 * Returns the address of a source's own page, below the application's root.
 *
 * @param {string} name
 */
export function sourcePath(name) {
  return `sources/${encodeURIComponent(name)}`;
}
