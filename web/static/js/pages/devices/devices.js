// @ts-check
import { find } from '../../components/dom.js';
import { closing } from '../../components/menu.js';
import { loadTemplate } from '../../components/template.js';
import { translate } from '../../components/translation.js';
import { DeviceTable } from './device-table.js';
import { ImportDialog } from './import-dialog.js';
import { texts } from './texts.js';

/** @typedef {import('../../app/session.js').Session} Session */

/**
 * Shows all devices, and lets people search, narrow and order them.
 *
 * @type {import('../../app/routes.js').Mount}
 */
export async function mount(root, session, signal) {
  const content = await loadTemplate('./devices.html', import.meta.url, signal);
  if (signal.aborted) return;
  root.append(content);
  const table = new DeviceTable(root, session, signal);
  const menu = find(root, '#registry-menu', HTMLDetailsElement);
  const importing = new ImportDialog(find(root, '#import', HTMLDialogElement), session, () => table.reload(), signal);
  closing(menu, signal);
  find(menu, '#csv-export', HTMLAnchorElement).href = session.href('api/v1/registry');
  find(menu, '#csv-import', HTMLButtonElement).addEventListener('click', () => {
    menu.open = false;
    importing.open();
  }, { signal });
  const show = () => {
    translate(root, session.locale, texts);
    importing.show();
    table.show();
  };
  for (const store of [session.appearance, session.plant]) store.subscribe(show, { signal });
  show();
  table.start();
}
