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
 * Returns the address of a device's own page, below the application's root.
 *
 * @param {string} id
 */
export function devicePath(id) {
  return `devices/${encodeURIComponent(id)}`;
}

/**
 * Returns the address of an alert's own page, below the application's root.
 *
 * @param {string} id
 */
export function alertPath(id) {
  return `alerts/${encodeURIComponent(id)}`;
}

/**
 * Returns the id that is the last part of a path, or null if it is not written as it should be.
 *
 * @param {string} path
 */
export function decodedId(path) {
  return decoded(path.slice(path.lastIndexOf('/') + 1));
}

/**
 * Returns the device that the old form of an address opens, or null.
 *
 * @param {string} hash The part of the page's address from # on.
 */
export function addressedDevice(hash) {
  // An id may hold slashes that are not encoded here.
  return hash.startsWith(oldPrefix) ? decoded(hash.slice(oldPrefix.length)) || null : null;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
