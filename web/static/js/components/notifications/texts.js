// @ts-check

/** The words of what people decide about notifications. */
export const texts = {
  saveDecided: { en: 'Save and put in force', zh: '保存并生效' },
  discardTyped: { en: 'Discard the changes', zh: '放弃更改' },
  mergeTheirs: { en: 'Take over their changes, keep mine', zh: '接受对方的更改并保留我的' },
  beingSaved: { en: 'Being put in force…', zh: '正在保存并生效…' },
  decidedInForce: { en: 'Decided, and in force.', zh: '已保存并生效。' },
  decidedWaiting: { en: 'Decided, and not in force yet: {reason}', zh: '已保存，尚未生效：{reason}' },
  changedBy: { en: 'Not saved: {by} has decided something else meanwhile. What you entered is still here.', zh: '未保存：{by} 在此期间已另作设定。您输入的内容仍保留。' },
  changedUnknown: { en: 'Not saved: somebody else has decided something else meanwhile, and it cannot be read now. What you entered is still here.', zh: '未保存：其他人在此期间已另作设定，目前无法读取。您输入的内容仍保留。' },
  theirReason: { en: 'The reason given: {reason}', zh: '对方填写的原因：{reason}' },
  theirChanges: { en: 'What has changed meanwhile', zh: '此期间的更改' },
  notesTyped: { en: 'Not saved yet.', zh: '尚未保存。' },

  fromFile: { en: 'As configured in {file} of {program} on {host}', zh: '采用 {host} 上 {program} 的 {file} 中的配置' },
  fromConfiguration: { en: 'As configured', zh: '采用配置文件' },
  fromPeople: { en: 'Decided here, version {version}: {by}', zh: '已在此设定，版本 {version}：{by}' },
  backToFile: { en: 'Go by the file again…', zh: '恢复为配置文件…' },
  fileTitle: { en: 'Go by the file again?', zh: '恢复为配置文件？' },
  fileWords: { en: 'What was decided here is taken back, and what the configuration file says holds again. The versions stay, and can be restored.', zh: '将撤销此处的设定，重新采用配置文件的内容。历史版本保留，可再还原。' },
  fileNow: { en: 'Go by the file', zh: '采用配置文件' },
  againTitle: { en: 'Restore version {version}?', zh: '还原版本 {version}？' },
  againWords: { en: 'What was decided then is decided again, as a new version: {by}.', zh: '将当时的设定作为新版本再次生效：{by}。' },
  againNow: { en: 'Restore it', zh: '还原' },
  whatBecomes: { en: 'What changes', zh: '将发生的变化' },
  typedGone: { en: 'What you entered and have not saved is lost then.', zh: '您输入但未保存的内容将丢失。' },
  versionIs: { en: 'Version {version}', zh: '版本 {version}' },
  versionBack: { en: 'the file again', zh: '改回配置文件' },
  versionsNone: { en: 'Nobody has decided anything here: what is configured holds.', zh: '尚无人设定，采用配置文件。' },
  partBecomes: { en: '{part}: from “{before}” to “{after}”', zh: '{part}：由“{before}”改为“{after}”' },

  reasonNoProgram: { en: 'no program has sent notifications yet', zh: '尚无程序发送过通知' },
  reasonOlder: { en: 'the program that sends the notifications, {program} on {host}, is of an older version, which goes by its configuration file alone: update it', zh: '发送通知的程序（{host} 上的 {program}）版本较旧，只采用其配置文件：请升级该程序' },
  reasonNotTaken: { en: 'the program that sends the notifications, {program} on {host}, has not taken it over yet: it may not be running', zh: '发送通知的程序（{host} 上的 {program}）尚未采用，可能未在运行' },

  mistakeIsNumber: { en: 'Write a number.', zh: '请填写数字。' },
};
