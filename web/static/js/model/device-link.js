// @ts-check

/** How a device was addressed before there was a query. */
const oldPrefix = '#device=';

/**
 * Returns the link that opens a device on the page where it is; it may be bookmarked.
 *
 * @param {string} id
 */
export function deviceAddress(id) {
  return `?device=${encodeURIComponent(id)}`;
}

/**
 * Returns the device that the old form of an address opens, or null.
 *
 * @param {string} hash The part of the page's address from # on.
 */
export function addressedDevice(hash) {
  if (!hash.startsWith(oldPrefix)) return null;
  try {
    return decodeURIComponent(hash.slice(oldPrefix.length)) || null;
  } catch {
    return null;
  }
}
