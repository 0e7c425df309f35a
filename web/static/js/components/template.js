// @ts-check

/** What has been loaded, by its address. @type {Map<string, Document>} */
const loaded = new Map();

/**
 * Returns what an HTML file holds, anew each time.
 *
 * @param {string} name
 * @param {string} module The address of the module beside which the file lies: import.meta.url.
 * @param {AbortSignal} signal
 * @returns {Promise<DocumentFragment>}
 */
export async function loadTemplate(name, module, signal) {
  const { href } = new URL(name, module);
  let file = loaded.get(href);
  if (!file) {
    const response = await fetch(href, { signal });
    if (!response.ok) throw new Error(`${href}: ${response.status} ${response.statusText}`);
    file = new DOMParser().parseFromString(await response.text(), 'text/html');
    loaded.set(href, file);
  }
  const content = document.createDocumentFragment();
  content.append(...[...file.body.childNodes].map((node) => document.importNode(node, true)));
  return content;
}
