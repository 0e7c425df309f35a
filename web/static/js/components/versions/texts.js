// @ts-check

/** The words of the versions of what people decide. */
export const texts = {
  decidedBy: { en: '{actor}, {time}', zh: '{actor}，{time}' },
  decidedByRestoring: { en: 'kept while a database was restored, {time}', zh: '恢复数据库时保留，{time}' },
  versionsTitle: { en: 'Versions ({count})', zh: '历史版本（{count}）' },
  versionCurrent: { en: 'decided last', zh: '最新设定' },
  versionRestore: { en: 'Restore {version}…', zh: '还原{version}…' },
  why: { en: 'Reason, which the versions show (optional)', zh: '原因（可选，显示在历史版本中）' },
  restore: { en: 'Restore…', zh: '还原…' },
};
