// @ts-check
import { Store } from './store.js';

/** Announces that answers of the archive are outdated: after corrections, and when messages may have been missed. */
export class ArchiveStore extends Store {
  outdate() {
    this.changed();
  }
}
