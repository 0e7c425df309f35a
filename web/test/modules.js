// @ts-check
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../static/', import.meta.url));

/**
 * Returns the files below static/ whose name ends so, vendored ones left out, as paths below static/.
 *
 * @param {string} end
 */
export function ownFiles(end) {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(end) && !entry.parentPath.includes('vendor'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** @param {string} path Below static/. */
export function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

/**
 * Returns the paths of the modules that a module imports, and those of the files that it loads beside it.
 *
 * @param {string} path
 */
function needed(path) {
  // Types are in comments, which need nothing.
  const code = read(path).replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const address = (/** @type {RegExpMatchArray} */ [, name]) => join(path, '..', String(name));
  return {
    // Also as a library's own build writes it, on one line.
    modules: [...code.matchAll(/(?:^|;)(?:import|export)\b(?:[^;'"()]*\bfrom)? ?['"]([^'"]+)['"]/gm)].map(address),
    later: [...code.matchAll(/import\('([^']+)'\)/g)].map(address),
    templates: [...code.matchAll(/loadTemplate\('([^']+)'/g)].map(address),
  };
}

/**
 * Returns everything that is loaded when these modules are: modules, and the templates and modules that they ask for.
 *
 * @param {string[]} paths
 */
export function closure(paths) {
  const modules = new Set(paths);
  const templates = new Set();
  const later = new Set();
  for (const path of modules) {
    const found = needed(path);
    for (const module of found.modules) modules.add(module);
    for (const template of found.templates) templates.add(template);
    for (const module of found.later) later.add(module);
  }
  return { modules: [...modules].sort(), templates: [...templates].sort(), later: [...later].sort() };
}
