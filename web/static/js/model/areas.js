// @ts-check

/**
 * @typedef {object} Area A node of the tree of areas.
 * @property {string} area The path; empty for the whole plant.
 * @property {Area[]} [children]
 */

/**
 * Returns the paths of areas, each before those below it, at most so many.
 *
 * @param {Area} root
 * @param {number} most
 * @returns {string[]}
 */
export function areaPaths({ area, children = [] }, most) {
  const paths = area ? [area] : [];
  for (const child of children) {
    if (paths.length >= most) break;
    paths.push(...areaPaths(child, most - paths.length));
  }
  return paths;
}
