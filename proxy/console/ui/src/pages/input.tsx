import {useState} from 'preact/hooks'
import {base64, type Dead, type Input, type Recent, type Site} from '../api'
import {classes, clock, size} from '../words'

type Tab = 'recent' | 'dead' | 'paste'

/** InputBar chooses the event that the mapping is tried on. */
export function InputBar({source, recent, dead, input, change, refresh, routes}: {
  source?: string; recent: Recent[]; dead: Dead[]; input: Input; change: (i: Input) => void; refresh: () => void; routes?: Site['sources']
}) {
  const chosen: Tab = input.dead ? 'dead' : input.recent ? 'recent' : 'paste'
  const [tab, setTab] = useState<Tab>()
  const at = tab ?? chosen
  const events = recent.filter(r => r.source === source), letters = dead.filter(d => d.source === source || d.id === input.dead)
  const tabs: [Tab, string][] = [['recent', `最近事件 ${events.length}`], ['dead', `死信 ${letters.length}`], ['paste', '粘贴或上传']]
  return <div class="input">
    <div class="row tabs" role="tablist" aria-label="用哪个事件试">
      {tabs.map(([id, name]) => <button key={id} role="tab" aria-selected={at === id} onClick={() => setTab(id)}>{name}</button>)}
      <span class="spring" /><button class="quiet" onClick={refresh} title="重新读取最近事件和死信">刷新</button>
    </div>
    {at === 'recent' && (events.length
      ? <select aria-label="最近事件" value={input.recent ?? ''} onChange={e => change({recent: e.currentTarget.value})}>
        {!input.recent && <option value="">选一个事件…</option>}
        {events.map(r => <option key={r.id} value={r.id}>{clock(r.received)}　{r.method} {r.path}　来自 {r.remote}</option>)}
      </select>
      : <p class="empty">来源 {source} 还没有来过事件。让设备推送一次，或粘贴一份报文。</p>)}
    {at === 'dead' && (letters.length
      ? <select aria-label="死信" value={input.dead ?? ''} onChange={e => change({dead: e.currentTarget.value})}>
        {!input.dead && <option value="">选一条死信…</option>}
        {letters.map(d => <option key={d.id} value={d.id}>{clock(d.admitted)}　{classes[d.class] ?? d.class}　{d.device ?? ''}　{size(d.size)}</option>)}
      </select>
      : <p class="empty">来源 {source} 没有死信。</p>)}
    {at === 'paste' && <Paste source={source} routes={routes} change={change} />}
  </div>
}

function Paste({source, routes, change}: {source?: string; routes?: Site['sources']; change: (i: Input) => void}) {
  const [text, setText] = useState('')
  const listen = routes?.find(s => s.name === source)?.listen ?? []
  const [path, setPath] = useState('')
  const [name, setName] = useState('')
  const send = (body: Uint8Array, at: string) => change(body.length ? {body: base64(body), path: at || undefined} : {})
  const bytes = (s: string) => new TextEncoder().encode(s)
  return <div class="paste">
    <textarea aria-label="报文" rows={6} spellcheck={false} placeholder={'粘贴设备推送的正文（JSON、XML …），或整个请求：\nPOST /hikvision/1号门 HTTP/1.1\nContent-Type: application/json\n\n{…}'}
      value={text} onInput={e => { const v = e.currentTarget.value; setText(v); setName(''); send(bytes(v), path) }} />
    <div class="row">
      <label>推送到 <input list="routes" size={24} value={path} placeholder={(listen[0] ?? '').replace(/^\w+ /, '')} onInput={e => { setPath(e.currentTarget.value); if (text) send(bytes(text), e.currentTarget.value) }} /></label>
      <datalist id="routes">{listen.map(l => <option key={l} value={l.replace(/^\w+ /, '')} />)}</datalist>
      <label class="button">上传文件<input type="file" class="hidden" onChange={async e => {
        const f = e.currentTarget.files?.[0]
        if (f) { setText(''); setName(`${f.name}，${size(f.size)}`); send(new Uint8Array(await f.arrayBuffer()), path) }
      }} /></label>
      {name && <span>{name}</span>}
    </div>
  </div>
}
