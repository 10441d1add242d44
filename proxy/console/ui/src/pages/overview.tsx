import {api} from '../api'
import {Empty, useLoaded, Wrong} from '../parts'
import {clock} from '../words'

const every = 3000 // ms

/** dictionaries says in Chinese what "2 of 35 from the platform, the oldest …" means. */
function dictionaries(text: string): string {
  const m = /^(\d+) of (\d+) from the platform(.*)$/.exec(text)
  return m ? `${m[2]} 个里有 ${m[1]} 个来自平台，其余用内置的` : text
}

export function Overview() {
  const health = useLoaded(() => api.health(), every), site = useLoaded(() => api.site())
  const h = health.value
  if (!h) return health.error ? <Wrong error={health.error} /> : <Empty>正在读取…</Empty>
  const away = h.platform !== 'ok'
  return <div class="page">
    <h1>总览 <span class={'tag ' + (h.ok ? 'good' : 'bad')}>{h.ok ? '正常接收事件' : '不能接收事件'}</span></h1>
    <Wrong error={health.error} />
    <ol class="flow" aria-label="事件走过的路">
      <li><h2>来源</h2><b>{site.value?.sources.length ?? '…'}</b><ul>{site.value?.sources.map(s => <li key={s.name}>{s.title}</li>)}</ul></li>
      <li><h2>映射</h2><b>{site.value?.files.filter(f => f.to).length ?? '…'}</b><p>规则 <code>{h.generation}</code></p><p class={h.reload === 'ok' ? 'faint' : 'warn'}>{h.reload === 'ok' ? `${clock(h.started)} 启动，最近一次加载正常` : h.reload}</p></li>
      <li><h2>存储</h2><b>{h.waiting}</b><p>条记录待送{h.oldest && `，最早的等了 ${h.oldest}`}</p><p class={h.store === 'ok' ? 'faint' : 'bad'}>{h.store === 'ok' ? '正常' : h.store}</p></li>
      <li><h2>平台</h2><b class={away ? 'bad' : 'good'}>{away ? '有问题' : '正常'}</b>{away && <p>{h.platform}</p>}<p class="faint">字典：{dictionaries(h.dictionaries)}</p></li>
    </ol>
    {h.dead > 0
      ? <p class="note warn">有 {h.dead} 条死信等人处理。<a href="#/dead">去看原因</a></p>
      : <p class="note good">没有死信。</p>}
    <details><summary>存储在断电、磁盘坏、磁盘满时保证什么（英文原文）</summary><p lang="en">{h.promise}</p></details>
  </div>
}
