// @ts-check

/** Without any message for so long, what the page shows is old: the server speaks every second while anything is read. */
export const staleAfter = 10_000;

/**
 * Tells whether what is shown is old. A plant without a single device has nothing to say, and nothing that could be old.
 *
 * @param {object} facts
 * @param {number | null} facts.heard When the last message came; null if none ever did.
 * @param {number} facts.now By the same clock.
 * @param {boolean} facts.empty
 */
export function isStale({ heard, now, empty }) {
  return heard !== null && !empty && now - heard > staleAfter;
}
