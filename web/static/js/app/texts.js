// @ts-check

/** The words of the shell. */
export const texts = {
  skipToContent: { en: 'Skip to content', zh: '跳到主要内容' },
  tagline: { en: 'Plant monitor', zh: '工业设备监控' },
  language: { en: 'Language', zh: '语言' },
  theme: { en: 'Theme', zh: '主题' },
  themeLight: { en: 'Light', zh: '浅色' },
  themeDark: { en: 'Dark', zh: '深色' },
  themeAuto: { en: 'As the system', zh: '跟随系统' },
  navigation: { en: 'Pages', zh: '页面' },
  overview: { en: 'Overview', zh: '总览' },
  unacknowledgedCount: { en: { one: '{count} unacknowledged alert', other: '{count} unacknowledged alerts' }, zh: '{count} 条未确认告警' },
  titleCount: { en: '({count}) {title}', zh: '（{count}）{title}' },
  newAlerts: { en: { one: '{count} alert has just been raised', other: '{count} alerts have just been raised' }, zh: '刚刚产生 {count} 条告警' },
  notifications: { en: 'Notifications', zh: '通知' },
  routes: { en: 'Routes', zh: '通知路由' },
  calendar: { en: 'On-call calendar', zh: '值班表' },
  sources: { en: 'Sources', zh: '数据源' },
  system: { en: 'System', zh: '系统' },

  leaveTitle: { en: 'Leave without saving?', zh: '不保存就离开？' },
  leaveTyped: { en: 'What you have entered on this page is not saved, and is lost when you leave.', zh: '您在此页面输入的内容尚未保存，离开后将丢失。' },
  leaveSaving: { en: 'A change is still on its way to the server. Whether it was made is not shown when you leave.', zh: '更改仍在发送到服务器；离开后将看不到是否已完成。' },
  leaveStay: { en: 'Stay', zh: '留在此页' },
  leaveGo: { en: 'Leave', zh: '离开' },

  notices: { en: 'Notices', zh: '通知' },
  caughtUp: { en: 'Up to date again. Before that, what was shown was {age} old.', zh: '已恢复更新。此前显示的是 {age}前的数据。' },
  outdated: { en: 'The server has been updated to version {version}.', zh: '服务器已更新到版本 {version}。' },
  reload: { en: 'Reload the page', zh: '刷新页面' },
  originRefused: { en: 'The server does not let this page connect: {reason}', zh: '服务器拒绝了本页面的连接：{reason}' },
  pageFailed: { en: 'This page could not be loaded: {reason}', zh: '无法加载此页面：{reason}' },
};
