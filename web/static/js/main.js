// @ts-check
import { Dashboard } from './page/dashboard.js';

const { websocketPath = '/ws', root = '' } = document.documentElement.dataset;

new Dashboard({ webSocketPath: websocketPath, root }).start();
