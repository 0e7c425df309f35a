// @ts-check
import { Dashboard } from './app/dashboard.js';

const { websocketPath = '/ws', root = '' } = document.documentElement.dataset;

new Dashboard({ webSocketPath: websocketPath, root }).start();
