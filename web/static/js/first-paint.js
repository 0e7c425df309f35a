// @ts-check
// Runs before anything is painted, so that a page in the dark theme does not flash white. It must not be a module: those
// wait for the whole page. The keys are those of Preferences.
(() => {
  try {
    const theme = localStorage.getItem('iotmon.theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset['theme'] = theme;
  } catch {
    // Without storage the system's theme it is.
  }
})();
