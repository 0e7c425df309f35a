// @ts-check

/** Without any message for so long, what the page shows is old: the server speaks every second while anything is read. */
export const staleAfter = 10_000;

/**
 * Tells whether what is shown is old. A plant without a single device has nothing to say, and nothing that could be old.
 *
 * @param {object} facts
 * @param {number | null} facts.silence The milliseconds since the last message; null if there was none.
 * @param {boolean} facts.empty
 */
export function isStale({ silence, empty }) {
  return silence !== null && !empty && silence > staleAfter;
}
