// @ts-check

/** How long to wait before each further attempt to connect, in seconds; the last one repeats. */
const steps = [1, 2, 4, 8, 15, 25];

/** Up to this share is added, so that a thousand pages that lost one server do not all come back in the same instant. */
const jitter = 0.2;

/**
 * Returns the milliseconds to wait before an attempt: from 1 s up to 30 s.
 *
 * @param {number} attempt Counts from 0.
 * @param {() => number} [random]
 */
export function backoff(attempt, random = Math.random) {
  const step = steps[Math.min(attempt, steps.length - 1)] ?? 1;
  return Math.round(step * 1000 * (1 + jitter * random()));
}
