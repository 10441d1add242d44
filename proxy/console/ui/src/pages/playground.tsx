import {useEffect, useRef, useState} from 'preact/hooks'
import {api, type Cases, type Dead, type Input, type PackFile, type Preview, type Problem, type Recent, type Reload, type Site, type Standard, type Tried} from '../api'
import {newEditor, type Editor} from '../editor'
import {Ask, Wrong} from '../parts'
import {classes} from '../words'
import {InputBar} from './input'
import {Outcome} from './outcome'

/** typingPause is how long, in ms, typing rests before the file is tried. */
const typingPause = 250

export function Playground({query}: {query: URLSearchParams}) {
  const [site, setSite] = useState<Site>()
  const [standard, setStandard] = useState<Standard>()
  const [recent, setRecent] = useState<Recent[]>([])
  const [dead, setDead] = useState<Dead[]>([])
  const [file, setFile] = useState<{name: string; digest: string; text: string}>()
  const [text, setText] = useState('')
  const [input, setInput] = useState<Input>({})
  const [reveal, setReveal] = useState(false)
  const [tried, setTried] = useState<Tried>()
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const place = useRef<HTMLDivElement>(null), editor = useRef<Editor | null>(null)
  const known = useRef<{site?: Site; standard?: Standard; paths: {path: string; kind: string}[]}>({paths: []})
  known.current = {site, standard, paths: tried?.result?.paths ?? known.current.paths}

  useEffect(() => {
    editor.current = newEditor(place.current!, () => known.current, setText)
    return () => editor.current?.view.destroy()
  }, [])

  const open = async (name: string) => {
    try {
      const f = await api.file(name)
      setFile(f); setText(f.text); editor.current?.set(f.text); setError(undefined)
    } catch (e) { setError(e) }
  }

  const lists = async () => {
    const [s, r, d] = await Promise.all([api.site(), api.recent(), api.dead({limit: '100'})])
    setSite(s); setRecent(r); setDead(d ?? [])
    return {site: s, recent: r, dead: d ?? []}
  }

  useEffect(() => {
    api.standard().then(setStandard, setError)
    lists().then(async got => {
      const id = query.get('dead') ?? undefined
      const letter = got.dead.find(d => d.id === id)
      const source = letter?.source ?? got.recent[0]?.source
      const name = letter?.mapping || query.get('file') || mappingOf(got.site, source)
      if (name) await open(name)
      if (id) setInput({dead: id})
      else {
        const first = got.recent.find(r => r.source === name?.split('/')[0])
        if (first) setInput({recent: first.id})
      }
    }).catch(setError)
  }, [query.get('dead')])

  useEffect(() => {
    if (!file) return
    const stop = new AbortController()
    const timer = setTimeout(async () => {
      setBusy(true)
      try {
        const t = await api.try({name: file.name, text, input, reveal}, stop.signal)
        setTried(t)
        editor.current?.problems(t.problems)
        setError(undefined)
      } catch (e) { if (!stop.signal.aborted) { setError(e); setTried(undefined) } }
      if (!stop.signal.aborted) setBusy(false)
    }, typingPause)
    return () => { stop.abort(); clearTimeout(timer) }
  }, [file, text, input, reveal])

  const changed = !!file && text !== file.text
  const choose = (name: string) => { if (!changed || confirm('没有保存的修改会丢掉，继续吗？')) void open(name) }
  return <div class="bench">
    <div class="toolbar">
      <label>映射 <FileChoice site={site} name={file?.name} choose={choose} /></label>
      {file && <Origin file={site?.files.find(f => f.name === file.name)} />}
      {changed && <span class="tag warn">未保存</span>}
      <span class="spring" />
      {file && <CasesButton name={file.name} text={text} />}
      {file && <SaveButton file={file} text={text} changed={changed} dead={input.dead} saved={async () => { await lists(); await open(file.name) }} />}
    </div>
    <Wrong error={error} />
    <div class="halves">
      <section class="pane editor" aria-label="映射文件">
        <div ref={place} class="code" />
        <ProblemList list={tried?.problems ?? []} goto={(l, c) => editor.current?.goto(l, c)} />
      </section>
      <section class="pane" aria-label="事件和结果">
        <InputBar source={file?.name.split('/')[0]} recent={recent} dead={dead} input={input} change={setInput} refresh={() => void lists()} routes={site?.sources} />
        <Outcome tried={tried} busy={busy} input={input} reveal={reveal} setReveal={setReveal} goto={(l, c) => editor.current?.goto(l, c)} name={file?.name ?? ''} />
      </section>
    </div>
  </div>
}

/** chinese puts the words of a difference into Chinese; its names and values stay. */
const chinese = (line: string) => line.replace(/→ a record/, '→ 一条记录').replace(/refused \((?:refused|picture-missing)\):/g, '被拒绝：').replace(/refused \(([\w-]+)\)/g, (_, c: string) => classes[c] ?? c).replace(/first: (\S+) from (\S+) at/, '最早：$1，来自 $2，')

const mappingOf = (site: Site, source?: string) => site.files.find(f => f.to && (!source || f.name.startsWith(source + '/')))?.name ?? site.files[0]?.name

function FileChoice({site, name, choose}: {site?: Site; name?: string; choose: (name: string) => void}) {
  return <select value={name ?? ''} onChange={e => { const want = e.currentTarget.value; e.currentTarget.value = name ?? ''; choose(want) }}>
    {!site && <option value="">正在读取…</option>}
    {site?.sources.map(s => <optgroup key={s.name} label={s.title}>
      {site.files.filter(f => f.name.startsWith(s.name + '/')).map(f => <option key={f.name} value={f.name}>{f.name} — {f.title}</option>)}
    </optgroup>)}
  </select>
}

function Origin({file}: {file?: PackFile}) {
  if (!file) return null
  return file.own ? <span class="tag">站点自己的</span> : <span class="tag" title="保存时会在站点的 mappings/ 里写一份，代替内置的">内置，保存后成为站点自己的</span>
}

function ProblemList({list, goto}: {list: Problem[]; goto: (line: number, col: number) => void}) {
  if (!list.length) return null
  return <ul class="problems" aria-label="问题">
    {list.map((p, i) => <li key={i} class={p.warning ? 'warn' : 'bad'}>
      {p.here ? <button class="link" onClick={() => goto(p.line, p.col)}>第 {p.line} 行</button> : <code>{p.file}:{p.line}</code>} {p.text}
      {p.hint && <div class="hint">{p.hint}</div>}
    </li>)}
  </ul>
}

function CasesButton({name, text}: {name: string; text: string}) {
  const [cases, setCases] = useState<Cases>()
  const [error, setError] = useState<unknown>()
  const failed = cases?.cases.filter(c => !c.ok) ?? []
  return <>
    <button onClick={() => api.cases({name, text}).then(c => { setCases(c); setError(undefined) }, setError)}>跑用例</button>
    {(cases || error !== undefined) && <Ask title="用例" act="好" done={() => {}} close={() => { setCases(undefined); setError(undefined) }}>
      <Wrong error={error} />
      {cases && cases.problems.some(p => !p.warning) && <p class="note bad">文件还有问题，用例没有跑。</p>}
      {cases && !cases.cases.length && !cases.problems.some(p => !p.warning) && <p>这个映射还没有用例。</p>}
      {!!cases?.cases.length && <p class={failed.length ? 'note bad' : 'note good'}>{cases.cases.length} 个用例，{failed.length ? `${failed.length} 个结果不对` : '全部通过'}</p>}
      <ul class="plain">{cases?.cases.map(c => <li key={c.name}><span class={c.ok ? 'good' : 'bad'}>{c.ok ? '✓' : '✗'}</span> {c.name}{c.wrong && <pre>{c.wrong}</pre>}</li>)}</ul>
    </Ask>}
  </>
}

function SaveButton({file, text, changed, dead, saved}: {file: {name: string; digest: string}; text: string; changed: boolean; dead?: string; saved: () => Promise<void>}) {
  const [preview, setPreview] = useState<Preview>()
  const [error, setError] = useState<unknown>()
  const [state, setState] = useState<Reload>()
  const [said, say] = useState('')
  const look = () => api.preview({name: file.name, text}).then(p => { setPreview(p); setError(undefined) }, setError)
  const errors = preview?.problems.filter(p => !p.warning) ?? []
  const save = async () => {
    try {
      const s = await api.save({name: file.name, text, base: file.digest, seen: preview?.digest ?? ''})
      setState(s); say(s.waiting ? '' : `已保存，规则 ${s.generation} 正在使用`)
      await saved()
    } catch (e) { setError(e) }
  }
  const judge = (v: 'accept' | 'reject') => api.judge(v, state?.waiting ?? '').then(s => { setState(s); say(v === 'accept' ? `规则 ${s.generation} 正在使用` : '没有采用；文件已保存') }, setError)
  const retry = () => api.retry(dead!).then(r => say(r.outcome ? `死信已重新处理：${({accepted: '生成了记录，等待送达', duplicate: '与已有记录重复', ignored: '按规则不要'} as Record<string, string>)[r.outcome] ?? r.outcome}` : `仍然不行：${r.chinese || r.reason}`), setError)
  return <>
    {said && <span class="note good" role="status">{said}</span>}
    {dead && !changed && <button onClick={retry}>重试这条死信</button>}
    <button class="primary" disabled={!changed} onClick={look}>保存到站点…</button>
    {state?.waiting && <Ask title="规则在等确认" act="采用" done={() => void judge('accept')} close={() => {}}>
      <p>站点设置了 reload: confirm。文件已保存，规则 {state.waiting} 等你确认。</p>
      <ul>{state.result?.map(l => <li key={l}>{chinese(l)}</li>)}</ul>
      <button onClick={() => void judge('reject')}>不采用</button>
    </Ask>}
    {preview && <Ask title="保存会改变什么" act={errors.length ? '关闭' : '保存并使用'} done={() => { if (!errors.length) void save() }} close={() => setPreview(undefined)}>
      {errors.length > 0
        ? <><p class="note bad">有 {errors.length} 个问题，不能保存：</p><ul>{errors.map((p, i) => <li key={i}><code>{p.file}:{p.line}:{p.col}</code> {p.text}</li>)}</ul></>
        : <><p>在最近的 {preview.events} 个事件上试过：{preview.changed ? `${preview.changed} 条记录会不一样` : '生成的记录都一样'}。</p>
          <ul>{preview.result.slice(1).map(l => <li key={l}>{chinese(l)}</li>)}</ul></>}
    </Ask>}
    {error !== undefined && <Ask title="没有做成" act="好" done={() => {}} close={() => setError(undefined)}><Wrong error={error} /></Ask>}
  </>
}
