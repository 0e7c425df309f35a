// @ts-check
import { Dashboard } from './page/dashboard.js';

new Dashboard({ webSocketPath: document.documentElement.dataset['websocketPath'] ?? '/ws' }).start();
