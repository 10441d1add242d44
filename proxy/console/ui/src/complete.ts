import type {Completion, CompletionContext, CompletionResult} from '@codemirror/autocomplete'
import type {Interface, Site, Standard} from './api'

/** Knowledge is what completions are made of. */
export interface Knowledge { site?: Site; standard?: Standard; paths: {path: string; kind: string}[] }

const requestNames = ['request.path', 'request.query', 'request.header', 'request.remote', 'request.received', 'request.method']

/** completions proposes what may stand where the cursor is: keys of the file, fields of its interface, or parts of an expression. */
export function completions(knows: () => Knowledge) {
  return (c: CompletionContext): CompletionResult | null => {
    const k = knows(), line = c.state.doc.lineAt(c.pos), before = line.text.slice(0, c.pos - line.from)
    const section = sectionOf(c, line.number)
    const key = /^(\s*(?:- )?)([\w-]*)$/.exec(before)
    if (key) {
      if (!key[2] && !c.explicit) return null
      const from = c.pos - key[2]!.length
      if (!/^\s/.test(before)) return {from, options: (k.site?.keys ?? []).map(d => ({label: d.name, apply: d.name + ': ', detail: d.chinese, type: 'keyword'}))}
      if (section === 'record') return {from, options: fieldOptions(interfaceOf(c, k))}
      if (section === 'ignore') return {from, options: [{label: 'when', apply: 'when: ', detail: '条件'}, {label: 'because', apply: 'because: ', detail: '原因'}]}
      return null
    }
    const to = /^to:\s*([\w/]*)$/.exec(before)
    if (to) return {from: c.pos - to[1]!.length, options: (k.standard?.interfaces ?? []).map(i => ({label: i.name, detail: i.title, type: 'type'})), validFor: /^[\w/]*$/}
    if (/^(title|merge|wait|to):/.test(before)) return null
    const word = c.matchBefore(/[\w.?"\]-]*(?:\[\d*\])*[\w.?]*$/)
    if (!word || (word.from === word.to && !c.explicit)) return null
    const options: Completion[] = [...values(c, k, before), ...expressionOptions(k), ...lets(c)]
    return {from: word.from, options, validFor: /^[\w.?]*$/}
  }
}

/** sectionOf is the key without an indent that stands above a line. */
function sectionOf(c: CompletionContext, number: number): string {
  for (let n = number; n > 0; n--) {
    const m = /^([\w-]+):/.exec(c.state.doc.line(n).text)
    if (m) return m[1]!
  }
  return ''
}

function interfaceOf(c: CompletionContext, k: Knowledge): Interface | undefined {
  const to = /^to:\s*["']?([\w/]+)/m.exec(c.state.doc.toString())
  return k.standard?.interfaces.find(i => i.name === to?.[1])
}

const fieldOptions = (i?: Interface): Completion[] => (i?.fields ?? []).map(f => ({
  label: f.name, apply: f.name + ': ', detail: f.label, type: 'property', boost: f.need === '必填' ? 1 : 0, info: [f.need, ...f.checks].join('；'),
}))

/** values are the codes of the dictionary that the field of this line has. */
function values(c: CompletionContext, k: Knowledge, before: string): Completion[] {
  const name = /^\s+(\w+):/.exec(before)?.[1]
  const field = interfaceOf(c, k)?.fields.find(f => f.name === name)
  const dict = k.standard?.dictionaries.find(d => d.code === field?.dict)
  return (dict?.entries ?? []).map(e => ({label: `'"${e.code}"'`, detail: e.label, type: 'enum', boost: 2}))
}

function expressionOptions(k: Knowledge): Completion[] {
  const list: Completion[] = k.paths.map(p => ({label: p.path, detail: p.kind, type: 'variable', boost: 1}))
  for (const f of k.site?.functions ?? []) {
    const name = f.usage.replace(/\(.*$/, '')
    list.push({label: name, apply: name + '(', detail: f.usage, type: 'function', info: f.doc + (f.examples[0] ? `\n例：${f.examples[0].expression} → ${f.examples[0].value}` : '')})
  }
  for (const t of k.site?.tables ?? []) {
    list.push({label: t.name, detail: `表，${t.rows} 行`, type: 'variable'})
    if (t.name === 'devices') for (const col of t.columns ?? []) list.push({label: 'device.' + col, detail: '设备表的列', type: 'variable'})
  }
  return list.concat(requestNames.map(label => ({label, detail: '请求', type: 'variable'})))
}

/** lets are the names that the file gives to values. */
function lets(c: CompletionContext): Completion[] {
  const block = /^let:\s*\n((?:[ \t]+.*\n?|\s*\n)*)/m.exec(c.state.doc.toString())?.[1] ?? ''
  return [...block.matchAll(/^\s+(\w+):/gm)].map(m => ({label: m[1]!, detail: '本文件的中间值', type: 'variable', boost: 1}))
}
