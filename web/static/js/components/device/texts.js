// @ts-check

/** The words of one device, in the drawer and on its own page. */
export const texts = {
  openPage: { en: 'Open page', zh: '打开详情页' },
  facts: { en: 'About this device', zh: '设备信息' },
  badReadings: { en: 'Quality bad', zh: '质量不可用' },
  namedDevice: { en: '{name} ({id})', zh: '{name}（{id}）' },
  deviceChartLabel: { en: '{device} · {range}', zh: '{device} · {range}' },

  deviceUnknown: { en: 'There is no device “{id}”.', zh: '没有设备“{id}”。' },
  deviceNeverSent: { en: '{id} has never sent a reading.', zh: '设备 {id} 从未上报读数。' },
  deviceForgotten: { en: '{id} was forgotten: it is shown again when it sends again.', zh: '设备 {id} 已被移除；再次上报后会重新出现。' },
  deviceFailed: { en: 'The device could not be loaded: {reason}', zh: '设备信息加载失败：{reason}' },

  model: { en: 'Model', zh: '型号' },
  firmware: { en: 'Firmware', zh: '固件版本' },
  battery: { en: 'Battery', zh: '电量' },
  statusSince: { en: 'Status since', zh: '状态起始' },
  thresholds: { en: 'Alert thresholds', zh: '告警阈值' },
};
