// Words for people: one table for each kind of word of the API.

export const classes: Record<string, string> = {
  undecodable: '读不出来', 'unknown-device': '不认识的设备', unmapped: '没有映射接它', refused: '记录不合规范',
  'picture-missing': '缺图片', rejected: '平台拒绝', 'gave-up': '多次未送达', damaged: '存储损坏',
}

export const outcomes: Record<string, string> = {accepted: '生成了记录', ignored: '按规则不要', kept: '不能生成记录，会进死信', duplicate: '与已有记录重复'}

/** happeningWords are what happens to an event, as the live page tells it. */
export const happeningWords: Record<string, string> = {admitted: '入库', delivered: '送达', retry: '稍后再送', duplicate: '重复', ignored: '按规则不要', kept: '不能映射，进死信', dead: '送不出去，进死信'}

export const stepWords: Record<string, string> = {
  source: '来源', decoded: '解码', body: '报文', mapping: '映射', ignore: '不要', device: '设备', each: '循环', let: '中间值', field: '字段',
  'left out': '省略', check: '校验', distinct: '区分', record: '记录', otherwise: '其他',
}

export const ruleWords: Record<string, string> = {
  required: '必填', type: '类型', length: '长度', format: '格式', dictionary: '字典', range: '范围', prefix: '前缀', shape: '样式', condition: '条件', picture: '图片',
}

export const verdictMarks: Record<string, string> = {yes: '✓', no: '–', nothing: '·', warning: '!', failed: '✗', skipped: '·'}

export const size = (n: number) => n < 1024 ? `${n} 字节` : n < 1 << 20 ? `${(n / 1024).toFixed(1)} KB` : `${(n / (1 << 20)).toFixed(1)} MB`

/** clock writes a time of this day without its date. */
export function clock(at: string): string {
  const t = new Date(at), pad = (n: number) => String(n).padStart(2, '0')
  const time = `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`
  return t.toDateString() === new Date().toDateString() ? time : `${pad(t.getMonth() + 1)}-${pad(t.getDate())} ${time}`
}
