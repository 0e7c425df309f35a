// @ts-check

const prefix = '#device=';

/**
 * Returns the address that opens a device; it may be bookmarked.
 *
 * @param {string} id
 */
export function deviceAddress(id) {
  return prefix + encodeURIComponent(id);
}

/**
 * Returns the device that an address opens, or null.
 *
 * @param {string} hash The part of the page's address from # on.
 */
export function addressedDevice(hash) {
  if (!hash.startsWith(prefix)) return null;
  try {
    return decodeURIComponent(hash.slice(prefix.length)) || null;
  } catch {
    return null;
  }
}
