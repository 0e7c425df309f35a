// @ts-check
import { Store } from './store.js';

/** Says when the archive holds something else than what was asked of it before: after corrections, and when messages may have been missed. */
export class ArchiveStore extends Store {
  outdate() {
    this.changed();
  }
}
