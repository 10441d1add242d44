import {useState} from 'preact/hooks'
import type {Input, Problem, Rec, Result, Step, Tried} from '../api'
import {Empty} from '../parts'
import {outcomes, ruleWords, size, stepWords, verdictMarks} from '../words'

/** Outcome shows what the mapping makes of the event, each value beside the expression that it came from. */
export function Outcome({tried, busy, input, reveal, setReveal, goto, name}: {
  tried?: Tried; busy: boolean; input: Input; reveal: boolean; setReveal: (on: boolean) => void; goto: (line: number, col: number) => void; name: string
}) {
  const wrong = tried?.problems.filter(p => !p.warning) ?? []
  const go = (place?: string) => { const p = placeIn(place, name); if (p) goto(p.line, p.col) }
  return <div class="outcome" aria-busy={busy}>
    {!tried ? <Empty>选一个事件，右边就是它变成的记录。</Empty>
      : wrong.length ? <Broken list={wrong} />
        : !tried.result ? <Empty>{input.body || input.recent || input.dead ? '正在试…' : '文件没有问题。选一个最近事件或死信，或粘贴一份报文，看它变成什么。'}</Empty>
          : <Mapped tried={tried} result={tried.result} reveal={reveal} setReveal={setReveal} go={go} name={name} />}
  </div>
}

function Broken({list}: {list: Problem[]}) {
  return <p class="note bad" role="status">文件有 {list.length} 个问题，改好之后这里是记录。</p>
}

function Mapped({tried, result, reveal, setReveal, go, name}: {tried: Tried; result: Result; reveal: boolean; setReveal: (on: boolean) => void; go: (place?: string) => void; name: string}) {
  const good = tried.outcome === 'accepted'
  return <>
    <p class={'note ' + (good ? 'good' : tried.outcome === 'ignored' ? 'warn' : 'bad')} role="status">
      <b>{outcomes[tried.outcome ?? ''] ?? tried.outcome}</b>
      {good && ` ${result.records.length} 条`}{result.device && `　设备 ${result.device}`}　用时 {(tried.micros / 1000).toFixed(1)} ms
    </p>
    {result.refusal && <p class="reason">{result.refusal.text}</p>}
    {result.ignored.map(i => <p key={i} class="reason">{i}</p>)}
    <label class="row reveal"><input type="checkbox" checked={reveal} onChange={e => setReveal(e.currentTarget.checked)} /> 显示个人信息和图片原样（写进审计日志）</label>
    {result.records.map((r, i) => <RecordTable key={i} record={r} steps={stepsOf(result.steps, result.records, i)} go={go} />)}
    {!result.records.length && <RefusedFields steps={result.steps} go={go} />}
    <Details title={`每一步（${result.steps.length}）`} open={!good}>
      <ol class="steps">{result.steps.map((s, i) => <StepLine key={i} step={s} go={go} name={name} />)}</ol>
    </Details>
    {result.event && <Details title="事件（图片已取出）"><pre>{pretty(result.event)}</pre></Details>}
    <Details title={`设备得到的应答：HTTP ${result.answer.status}`}>
      {result.answer.header.map(h => <div key={h[0]}><code>{h[0]}: {h[1]}</code></div>)}
      {result.answer.body ? <pre>{result.answer.body}</pre> : <p class="faint">没有正文</p>}
    </Details>
  </>
}

function RecordTable({record, steps, go}: {record: Rec; steps: Step[]; go: (place?: string) => void}) {
  const made = new Map(steps.filter(s => s.what === 'field').map(s => [s.name, s]))
  const checked = new Map(steps.filter(s => s.what === 'check').map(s => [s.name, s]))
  return <div class="record">
    <h3>{record.title} <code>{record.to}</code> <small>记录 {size(record.bytes)}，加密后 {size(record.envelope)}</small></h3>
    <div class="wide"><table>
      <thead><tr><th>字段</th><th>值</th><th>表达式</th><th>校验</th></tr></thead>
      <tbody>{record.fields.map(f => {
        const from = made.get(f.name), check = checked.get(f.name)
        return <tr key={f.name}>
          <th scope="row">{f.label || f.name}<code>{f.name}</code></th>
          <td>{f.picture ? <img src={f.picture} alt={f.label + '的缩略图'} class="thumb" /> : null}<span class="value">{f.value}</span>{f.says && <span class="says">{f.says}</span>}</td>
          <td>{from?.expression && <button class="link mono" title="到文件里的这一处" onClick={() => go(from.place)}>{from.expression}</button>}</td>
          <td>{check && <Checks step={check} />}</td>
        </tr>
      })}</tbody>
    </table></div>
  </div>
}

/** RefusedFields shows the fields of an event that gave no record, what is wrong first to be seen. */
function RefusedFields({steps, go}: {steps: Step[]; go: (place?: string) => void}) {
  const made = new Map(steps.filter(s => s.what === 'field').map(s => [s.name, s]))
  const bad = steps.filter(s => (s.what === 'check' || s.what === 'field') && s.verdict === 'failed')
  if (!bad.length) return null
  return <div class="wide"><table>
    <thead><tr><th>不合规范的字段</th><th>得到的值</th><th>表达式</th><th>校验</th></tr></thead>
    <tbody>{bad.map((s, i) => <tr key={i}>
      <th scope="row">{s.note}<code>{s.name}</code></th><td class="value">{plain(made.get(s.name)?.value)}</td>
      <td>{made.get(s.name)?.expression && <button class="link mono" onClick={() => go(made.get(s.name)?.place)}>{made.get(s.name)?.expression}</button>}</td>
      <td><Checks step={s} /></td>
    </tr>)}</tbody>
  </table></div>
}

function Checks({step}: {step: Step}) {
  return <>{step.checks?.map((c, i) => <span key={i} class={'check ' + (c.verdict === 'yes' ? 'good' : c.verdict === 'warning' ? 'warn' : 'bad')} title={c.want ?? ''}>
    {verdictMarks[c.verdict]} {ruleWords[c.rule] ?? c.rule}</span>)}</>
}

function StepLine({step, go, name}: {step: Step; go: (place?: string) => void; name: string}) {
  const here = !!placeIn(step.place, name)
  return <li class={'step ' + step.verdict}>
    <span class="mark" aria-label={step.verdict}>{verdictMarks[step.verdict]}</span>
    <span class="what">{stepWords[step.what] ?? step.what}</span>
    <span class="body">
      {step.name && <b>{step.name}</b>} {step.note}
      {step.expression && <div class="mono">{here ? <button class="link mono" onClick={() => go(step.place)}>{step.expression}</button> : step.expression}{step.value && <> → <span class="value">{plain(step.value)}</span></>}</div>}
      {step.because?.map((b, i) => <div key={i} class="mono faint">不成立：{b.expression}　{b.saw}</div>)}
      {step.saw && !step.because && <div class="faint">{plain(step.saw)}</div>}
      {step.checks?.map((c, i) => c.verdict !== 'yes' && <div key={i} class={c.verdict === 'warning' ? 'warn' : 'bad'}>{ruleWords[c.rule] ?? c.rule}：要求{c.want}</div>)}
      {step.error && <div class="bad">{step.error}</div>}
    </span>
  </li>
}

function Details({title, children, open}: {title: string; children: preact.ComponentChildren; open?: boolean}) {
  const [shown, show] = useState(open ?? false)
  return <details open={shown} onToggle={e => show((e.currentTarget as HTMLDetailsElement).open)}><summary>{title}</summary>{shown && children}</details>
}

/** placeIn is the place of a step if it is in the file that is open: "…/hikvision/access.yaml:3:7". */
function placeIn(place: string | undefined, name: string) {
  const m = /^(.*):(\d+):(\d+)$/.exec(place ?? '')
  return m && m[1]!.endsWith('/' + name) ? {line: Number(m[2]), col: Number(m[3])} : undefined
}

/** stepsOf are the steps that made one record: up to the step that says it was written. */
function stepsOf(steps: Step[], records: Rec[], index: number): Step[] {
  let n = 0, from = 0
  for (let i = 0; i < steps.length; i++) {
    if (steps[i]!.what !== 'record') continue
    if (n === index) return steps.slice(from, i + 1)
    n++; from = i + 1
  }
  return records.length === 1 ? steps : []
}

/** plain puts the words of a trace into Chinese. */
const plain = (text?: string) => text === undefined ? '没有值' : text.replace(/\bnothing\b/g, '空').replace(/\bthe number (?=[-\d])/g, '数字 ').replace(/\ba list of (\d+)/g, '列表，$1 项')

function pretty(text: string): string {
  try { return JSON.stringify(JSON.parse(text), null, 2) } catch { return text }
}
