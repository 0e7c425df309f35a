// @ts-check
import { Address } from './app/address.js';
import { Appearance } from './app/appearance.js';
import { Preferences } from './app/preferences.js';
import { Router } from './app/router.js';
import { routes } from './app/routes.js';
import { Session } from './app/session.js';
import { Shell } from './app/shell.js';

const { version = '', websocketPath = '/ws', root: path = '' } = document.documentElement.dataset;

const root = new URL(path || '.', location.href);
const preferences = new Preferences();
const appearance = new Appearance(preferences);
const address = new Address({ location, history });
const session = new Session({ root, webSocketPath: websocketPath, preferences, appearance, address });

new Shell(session, new Router(address, root, routes), version).start();
