import {useEffect, useRef, useState} from 'preact/hooks'
import {api, type Dead, type Summary} from '../api'
import {Ask, Empty, useLoaded, Wrong} from '../parts'
import {classes, clock, size} from '../words'

/** undoFor is how long, in ms, a drop can be taken back: it is done only then. */
const undoFor = 8000

/** shownMost bounds the rows of a group; the filters find the others. */
const shownMost = 200

export function DeadLetters() {
  const groups = useLoaded(() => api.summary())
  const [open, setOpen] = useState<Summary>()
  if (groups.error) return <Wrong error={groups.error} />
  if (!groups.value) return <Empty>{groups.value === null ? '没有死信。' : '正在读取…'}</Empty>
  if (!groups.value.length) return <Empty>没有死信：所有收到的事件都生成了记录，或按规则不要。</Empty>
  const total = groups.value.reduce((n, g) => n + g.count, 0)
  return <div class="page">
    <h1>死信 <small>{total} 条</small></h1>
    <p class="faint">不能生成记录、或被平台拒绝的事件。原始请求完整保存，改好规则后重试。</p>
    <ul class="groups">{groups.value.map(g => {
      const key = `${g.source}/${g.class}/${g.device ?? ''}`, shown = open && key === `${open.source}/${open.class}/${open.device ?? ''}`
      return <li key={key}>
        <button class="group" aria-expanded={!!shown} onClick={() => setOpen(shown ? undefined : g)}>
          <span class="count">{g.count}</span>
          <span class="why"><b>{classes[g.class] ?? g.class}</b> <code>{g.source}</code> {g.device}<span class="sample">{g.chinese || g.sample}</span></span>
          <span class="faint">{clock(g.newest)}</span>
        </button>
        {shown && <Letters group={g} changed={groups.again} />}
      </li>
    })}</ul>
  </div>
}

function Letters({group, changed}: {group: Summary; changed: () => void}) {
  const list = useLoaded(() => api.dead({source: group.source, class: group.class, device: group.device, limit: String(shownMost)}))
  const [chosen, setChosen] = useState<Set<string>>(new Set())
  const [asking, ask] = useState(false)
  const [said, say] = useState<string[]>([])
  const [progress, setProgress] = useState<{done: number; of: number}>()
  const [dropping, setDropping] = useState<string[]>([])
  const timer = useRef<ReturnType<typeof setTimeout>>()
  useEffect(() => () => clearTimeout(timer.current), [])
  const letters = (list.value ?? []).filter(d => d.device === group.device || !group.device)
  const rows = letters.filter(d => !dropping.includes(d.id))
  const ids = chosen.size ? [...chosen] : rows.map(d => d.id)

  const each = async (all: string[], act: (id: string) => Promise<string>) => {
    const results = new Map<string, number>()
    for (const [i, id] of all.entries()) {
      setProgress({done: i, of: all.length})
      let what: string
      try { what = await act(id) } catch (e) { what = e instanceof Error ? e.message : String(e) }
      results.set(what, (results.get(what) ?? 0) + 1)
    }
    setProgress(undefined); setChosen(new Set())
    say([...results].map(([what, n]) => `${n} 条：${what}`))
    list.again(); changed()
  }
  const retry = () => void each(ids, async id => {
    const r = await api.retry(id)
    return r.outcome ? ({accepted: '生成了记录，等待送达', duplicate: '与已有记录重复', ignored: '按规则不要'} as Record<string, string>)[r.outcome] ?? r.outcome : '仍然不行：' + (r.chinese || r.reason)
  })
  const drop = () => {
    setDropping(ids); setChosen(new Set())
    timer.current = setTimeout(() => { void each(ids, async id => { await api.drop(id); return '已丢弃' }).then(() => setDropping([])) }, undoFor)
  }
  return <div class="letters">
    <Wrong error={list.error} />
    <div class="row">
      <button onClick={retry} disabled={!ids.length || !!progress}>重试{chosen.size ? `选中的 ${chosen.size} 条` : `这 ${rows.length} 条`}</button>
      <button onClick={() => ask(true)} disabled={!ids.length || !!progress}>丢弃{chosen.size ? `选中的 ${chosen.size} 条` : `这 ${rows.length} 条`}…</button>
      {group.count > letters.length && letters.length === shownMost && <span class="faint">共 {group.count} 条，先列出最早的 {shownMost} 条</span>}
      {progress && <progress value={progress.done} max={progress.of} aria-label="进度" />}
      {dropping.length > 0 && <span class="note warn" role="status">将丢弃 {dropping.length} 条 <button onClick={() => { clearTimeout(timer.current); setDropping([]) }}>撤销</button></span>}
    </div>
    <div role="status">{said.map(s => <p key={s} class="note">{s}</p>)}</div>
    <ul class="rows">{rows.map(d => <Letter key={d.id} letter={d} chosen={chosen.has(d.id)} choose={on => setChosen(was => { const next = new Set(was); if (on) next.add(d.id); else next.delete(d.id); return next })} />)}</ul>
    {asking && <Ask title={`丢弃 ${ids.length} 条死信`} act="丢弃" done={drop} close={() => ask(false)}>
      <p>原始请求会永久删除，不能再重试。{undoFor / 1000} 秒内可以撤销。</p>
    </Ask>}
  </div>
}

function Letter({letter: d, chosen, choose}: {letter: Dead; chosen: boolean; choose: (on: boolean) => void}) {
  return <li>
    <input type="checkbox" aria-label={'选中 ' + d.id} checked={chosen} onChange={e => choose(e.currentTarget.checked)} />
    <span class="when">{clock(d.admitted)}</span>
    <span class="why"><code>{d.mapping || d.source}</code> {d.device} <span class="faint">{size(d.size)}</span><span class="sample">{d.chinese || d.reason}</span></span>
    <a class="button" href={`#/try?dead=${d.id}`}>在调试台打开</a>
  </li>
}
