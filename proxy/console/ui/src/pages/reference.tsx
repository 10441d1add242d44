import {useState} from 'preact/hooks'
import {api, type Dictionary, type Interface} from '../api'
import {Empty, useLoaded, Wrong} from '../parts'

/** Reference is the standard to look up: by label, name or code, as it is typed. */
export function Reference() {
  const {value: standard, error} = useLoaded(() => api.standard())
  const [text, setText] = useState('')
  if (error) return <Wrong error={error} />
  if (!standard) return <Empty>正在读取…</Empty>
  const want = text.trim().toLowerCase(), has = (...s: (string | undefined)[]) => !want || s.some(v => v?.toLowerCase().includes(want))
  const interfaces = standard.interfaces.map(i => ({i, whole: has(i.name, i.title), fields: i.fields.filter(f => has(f.name, f.label, f.dict))})).filter(x => x.whole || x.fields.length)
  const dicts = standard.dictionaries.map(d => ({d, whole: has(d.code, d.name), entries: d.entries.filter(e => has(e.code, e.label))})).filter(x => x.whole || x.entries.length)
  return <div class="page">
    <h1>规范 <small>智慧社区平台标准数据接入规范 V1.0.4</small></h1>
    <input type="search" class="search" aria-label="查字段、接口、字典" placeholder="查字段、接口、字典：抓拍时间、snapTime、ZD018 …" value={text} onInput={e => setText(e.currentTarget.value)} />
    {!interfaces.length && !dicts.length && <Empty>没有找到“{text}”。试试别的名字，或字典代码。</Empty>}
    {interfaces.map(x => <InterfaceView key={x.i.name} i={x.i} shown={want && !x.whole ? x.fields.map(f => f.name) : undefined} open={!!want} />)}
    {dicts.map(x => <DictView key={x.d.code} d={x.d} open={!!want} only={want && !x.whole ? x.entries.map(e => e.code) : undefined} />)}
  </div>
}

function InterfaceView({i, shown, open}: {i: Interface; shown?: string[]; open: boolean}) {
  const [own, setOwn] = useState<boolean>()
  const isOpen = own ?? open
  return <details open={isOpen} onToggle={e => { const o = (e.currentTarget as HTMLDetailsElement).open; if (o !== isOpen) setOwn(o) }}>
    <summary><b>{i.title}</b> <code>{i.name}</code> <span class="faint">第 {i.chapter} 章{i.after.length ? `，先要有 ${i.after.join('、')}` : ''}</span></summary>
    {isOpen && <>
      <div class="wide"><table>
        <thead><tr><th>字段</th><th>必填</th><th>要求</th><th>字典</th></tr></thead>
        <tbody>{i.fields.filter(f => !shown || shown.includes(f.name)).map(f => <tr key={f.name}>
          <th scope="row">{f.label}<code>{f.name}</code></th><td>{f.need}</td><td>{f.checks.join('；')}{f.source === 'inferred' && <span class="tag" title="规范原文没有，推断的；只提醒，不拒绝">推断</span>}{f.note && <div class="faint">{f.note}</div>}</td><td>{f.dict}</td>
        </tr>)}</tbody>
      </table></div>
      {i.rules.length > 0 && <ul>{i.rules.map(r => <li key={r}>{r}</li>)}</ul>}
      {i.examples[0] && <details><summary>例子</summary><pre>{i.examples[0].length > 4000 ? i.examples[0].slice(0, 4000) + '…' : i.examples[0]}</pre></details>}
    </>}
  </details>
}

function DictView({d, open, only}: {d: Dictionary; open: boolean; only?: string[]}) {
  const [own, setOwn] = useState<boolean>()
  const isOpen = own ?? open
  return <details open={isOpen} onToggle={e => { const o = (e.currentTarget as HTMLDetailsElement).open; if (o !== isOpen) setOwn(o) }}>
    <summary><b>{d.name}</b> <code>{d.code}</code> <span class="faint">{d.entries.length} 项{d.complete ? '' : '，可能不全'}</span></summary>
    {isOpen && <ul class="entries">{d.entries.filter(e => !only || only.includes(e.code)).map(e => <li key={e.code}><code>{e.code}</code> {e.label}</li>)}</ul>}
  </details>
}
