import {useEffect, useRef, useState} from 'preact/hooks'
import {api, type Happening} from '../api'
import {Empty} from '../parts'
import {classes, happeningWords} from '../words'

/** heldMost bounds what the page keeps; what is older falls off. */
const heldMost = 500

interface Filter { source: string; what: string; text: string }

export function Live() {
  const [list, setList] = useState<(Happening & {key: number})[]>([])
  const [missed, setMissed] = useState(0)
  const [state, setState] = useState<'joining' | 'live' | 'away'>('joining')
  const [paused, pause] = useState(false)
  const [filter, setFilter] = useState<Filter>({source: '', what: '', text: ''})
  const [open, setOpen] = useState<string>()
  const key = useRef(0), held = useRef(false)
  held.current = paused

  useEffect(() => api.live(m => {
    if (held.current) return
    setMissed(n => n + m.missed)
    const fresh = (m.list ?? []).map(h => ({...h, key: key.current++})).reverse()
    if (fresh.length) setList(was => [...fresh, ...was].slice(0, heldMost))
  }, setState), [])

  const has = (h: Happening) => (!filter.source || h.source === filter.source) && (!filter.what || h.what === filter.what) &&
    (!filter.text || [h.device, h.interface, h.reason, h.chinese, h.id].some(v => v?.includes(filter.text)))
  const shown = list.filter(has)
  const sources = [...new Set(list.map(h => h.source))].sort()
  return <div class="page">
    <h1>实况 <span class={'tag ' + (state === 'live' ? 'good' : state === 'away' ? 'bad' : '')} role="status">{paused ? '已暂停' : {joining: '正在连接', live: '正在看', away: '断开了，正在重连'}[state]}</span></h1>
    <div class="row filters">
      <label>来源 <select value={filter.source} onChange={e => setFilter({...filter, source: e.currentTarget.value})}>
        <option value="">全部</option>{sources.map(s => <option key={s}>{s}</option>)}
      </select></label>
      <label>结果 <select value={filter.what} onChange={e => setFilter({...filter, what: e.currentTarget.value})}>
        <option value="">全部</option>{Object.entries(happeningWords).map(([k, v]) => <option key={k} value={k}>{v}</option>)}
      </select></label>
      <input type="search" aria-label="设备、接口或原因" placeholder="设备、接口或原因" value={filter.text} onInput={e => setFilter({...filter, text: e.currentTarget.value})} />
      <button aria-pressed={paused} onClick={() => pause(!paused)}>{paused ? '继续' : '暂停'}</button>
      <button onClick={() => { setList([]); setMissed(0); setOpen(undefined) }}>清空</button>
    </div>
    {missed > 0 && <p class="note warn">来得太快，有 {missed} 件没有列出。</p>}
    {!shown.length && <Empty>{list.length ? '没有符合筛选的。' : '还没有事件。这里只列打开本页之后发生的；让设备推送一次，马上就会出现。'}</Empty>}
    <ul class="rows live">{shown.map(h => <li key={h.key} class={h.what}>
      <button class="happening" aria-expanded={open === story(h)} onClick={() => setOpen(open === story(h) ? undefined : story(h))}>
        <span class="when">{at(h.at)}</span>
        <span class={'what ' + colour[h.what]}>{happeningWords[h.what] ?? h.what}</span>
        <code>{h.source}</code><span>{h.device}</span>{h.interface && <code>{h.interface}</code>}
        {h.class && <span class="bad">{classes[h.class] ?? h.class}</span>}
        {h.attempt && <span class="faint">第 {h.attempt} 次，{h.millis ?? 0} ms</span>}
      </button>
      {open === story(h) && <Story list={list.filter(o => story(o) === story(h))} />}
    </li>)}</ul>
  </div>
}

const colour: Record<string, string> = {admitted: 'good', delivered: 'good', kept: 'bad', dead: 'bad', retry: 'warn', duplicate: 'faint', ignored: 'faint'}

/** story is what an event's happenings have in common: its entry, or nothing but itself. */
const story = (h: Happening & {key: number}) => h.of || h.id || String(h.key)

function Story({list}: {list: (Happening & {key: number})[]}) {
  const first = list[list.length - 1]!
  const letter = list.find(h => h.what === 'dead' || h.what === 'kept')
  return <div class="story">
    <ol>{[...list].reverse().map(h => <li key={h.key}>
      <span class="when">{at(h.at)}</span> <b class={colour[h.what]}>{happeningWords[h.what] ?? h.what}</b>
      {h.mapping && <> 映射 <code>{h.mapping}</code></>}{h.attempt && <> 第 {h.attempt} 次，平台用了 {h.millis ?? 0} ms</>}
      {h.admitted && <span class="faint"> 入库后 {((Date.parse(h.at) - Date.parse(h.admitted)) / 1000).toFixed(2)} 秒</span>}
      {(h.chinese || h.reason) && <div class="sample">{h.chinese || h.reason}</div>}
    </li>)}</ol>
    {first.id && <p class="faint">编号 <code>{first.of || first.id}</code></p>}
    {letter?.id && <a class="button" href={`#/try?dead=${letter.of || letter.id}`}>在调试台打开</a>}
  </div>
}

function at(time: string): string {
  const t = new Date(time)
  return t.toTimeString().slice(0, 8) + '.' + String(t.getMilliseconds()).padStart(3, '0')
}
