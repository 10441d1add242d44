// What the API answers, and how it is asked. openapi.json beside the handlers
// describes the same.

export interface PackFile { name: string; title: string; to?: string; own: boolean }
export interface Table { name: string; columns: string[] | null; rows: number }
export interface Fn { usage: string; doc: string; examples: {expression: string; value: string}[] }
export interface Key { name: string; chinese: string; english: string; example?: string; values?: string[] }
export interface Site {
  generation: string
  sources: {name: string; title: string; listen: string[]}[]
  files: PackFile[]; tables: Table[]; functions: Fn[]; keys: Key[]
}
export interface SpecField { name: string; label: string; need: string; checks: string[]; dict?: string; source: string; note?: string }
export interface Interface { name: string; title: string; chapter: string; after: string[]; fields: SpecField[]; rules: string[]; examples: string[] }
export interface Dictionary { code: string; name: string; complete: boolean; entries: {code: string; label: string}[] }
export interface Standard { interfaces: Interface[]; dictionaries: Dictionary[] }
export interface Recent { id: string; source: string; received: string; method: string; path: string; remote: string; size: number }
export interface Problem { file: string; here: boolean; line: number; col: number; width: number; warning: boolean; rule: string; text: string; hint?: string }
export interface Step {
  what: string; verdict: string; mapping?: string; name?: string; note?: string; expression?: string; place?: string
  value?: string; saw?: string; error?: string; because?: {expression: string; saw?: string}[]
  checks?: {rule: string; want?: string; verdict: string}[]
}
export interface Field { name: string; label: string; value: string; says?: string; picture?: string }
export interface Rec { to: string; title: string; mapping: string; fields: Field[]; bytes: number; envelope: number }
export interface Result {
  source: string; device?: string; refusal?: {class: string; text: string}; ignored: string[]; steps: Step[]; records: Rec[]
  answer: {status: number; header: [string, string][]; body: string}; paths: {path: string; kind: string}[]; event: string
}
export interface Tried { problems: Problem[]; outcome?: string; result?: Result; micros: number }
export interface Input { body?: string; path?: string; recent?: string; dead?: string }
export interface Dead {
  id: string; admitted: string; class: string; reason: string; chinese?: string; source: string; mapping?: string
  interface?: string; device?: string; generation: string; attempts: number; size: number
}
export interface Summary { source: string; class: string; device?: string; count: number; oldest: string; newest: string; sample: string; chinese?: string }
export interface Preview { problems: Problem[]; digest?: string; events: number; changed: number; result: string[] }
export interface Reload { ok: boolean; generation: string; waiting?: string; problems?: string[]; result?: string[] }
export interface Cases { problems: Problem[]; cases: {name: string; ok: boolean; wrong?: string}[] }
export interface Health {
  ok: boolean; generation: string; started: string; reload: string; store: string; promise: string
  platform: string; dictionaries: string; waiting: number; oldest?: string; dead: number
}

export interface Happening {
  at: string; what: string; id?: string; of?: string; source: string; mapping?: string; interface?: string; device?: string
  class?: string; reason?: string; chinese?: string; attempt?: number; millis?: number; admitted?: string
}

/** Failed is what the API answered instead of what was asked for. */
export class Failed extends Error {
  constructor(readonly status: number, text: string) { super(text) }
}

async function ask<T>(method: string, path: string, send?: unknown, signal?: AbortSignal): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(path, {
      method, signal, headers: {'Accept-Language': 'zh-CN', ...(send === undefined ? {} : {'Content-Type': 'application/json'})},
      body: send === undefined ? undefined : JSON.stringify(send),
    })
  } catch (e) {
    if (signal?.aborted) throw e
    throw new Failed(0, '译桥没有应答：进程还在运行吗？')
  }
  const text = await answer.text()
  let document: unknown
  try { document = JSON.parse(text) } catch { throw new Failed(answer.status, text.trim() || answer.statusText) }
  if (!answer.ok && answer.status !== 503) throw new Failed(answer.status, (document as {error?: string}).error ?? answer.statusText)
  if (answer.status === 503 && (document as {error?: string}).error) throw new Failed(503, (document as {error: string}).error)
  return document as T
}

const query = (o: Record<string, string | undefined>) => new URLSearchParams(Object.entries(o).filter((e): e is [string, string] => !!e[1])).toString()

export const api = {
  site: () => ask<Site>('GET', '/api/site'),
  standard: () => ask<Standard>('GET', '/api/standard'),
  file: (name: string) => ask<{name: string; text: string; digest: string}>('GET', '/api/file?' + query({name})),
  recent: () => ask<Recent[]>('GET', '/api/recent'),
  try: (q: {name: string; text: string; input: Input; reveal?: boolean}, signal: AbortSignal) => ask<Tried>('POST', '/api/try', q, signal),
  cases: (q: {name: string; text: string}) => ask<Cases>('POST', '/api/cases', q),
  preview: (q: {name: string; text: string}) => ask<Preview>('POST', '/api/preview', q),
  save: (q: {name: string; text: string; base: string; seen: string}) => ask<Reload>('POST', '/api/save', q),
  judge: (verdict: 'accept' | 'reject', generation: string) => ask<Reload>('POST', `/-/reload/${verdict}?` + query({generation})),
  health: () => ask<Health>('GET', '/-/ready'),
  dead: (f: {source?: string; class?: string; device?: string; after?: string; reason?: string; limit?: string}) => ask<Dead[] | null>('GET', '/-/dead?' + query(f)),
  summary: () => ask<Summary[] | null>('GET', '/-/dead/summary'),
  retry: (id: string) => ask<{id: string; outcome: string; reason?: string; chinese?: string}>('POST', `/-/dead/${id}/retry`),
  /** live hears of what happens until the function that it gives is called. */
  live(hear: (m: {list: Happening[] | null; missed: number}) => void, state: (s: 'live' | 'away') => void) {
    const stream = new EventSource('/api/live')
    stream.onopen = () => state('live')
    stream.onerror = () => state('away')
    stream.onmessage = e => hear(JSON.parse(e.data as string))
    return () => stream.close()
  },
  drop: (id: string) => ask<unknown>('POST', `/-/dead/${id}/drop`),
}

/** base64 writes bytes as the API wants them. */
export function base64(bytes: Uint8Array): string {
  let s = ''
  for (let i = 0; i < bytes.length; i += 0x8000) s += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(s)
}
