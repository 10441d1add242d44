import type {ComponentChildren} from 'preact'
import {useEffect, useRef, useState} from 'preact/hooks'

export function Wrong({error}: {error: unknown}) {
  return error ? <p class="note bad" role="alert">{error instanceof Error ? error.message : String(error)}</p> : null
}

export function Empty({children}: {children: ComponentChildren}) { return <p class="empty">{children}</p> }

/** Ask says once what an act will do, before it is done. */
export function Ask({title, act, children, done, close}: {title: string; act: string; children: ComponentChildren; done: () => void; close: () => void}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => { dialog.current?.showModal() }, [])
  return <dialog ref={dialog} onClose={close} aria-label={title}>
    <h2>{title}</h2>
    <div class="scroll">{children}</div>
    <div class="row end">
      <button onClick={() => dialog.current?.close()}>取消</button>
      <button class="primary" onClick={() => { dialog.current?.close(); done() }}>{act}</button>
    </div>
  </dialog>
}

/** useLoaded asks once, and again whenever again() is called. */
export function useLoaded<T>(load: () => Promise<T>, every?: number) {
  const [value, set] = useState<T>()
  const [error, fail] = useState<unknown>()
  const [turn, next] = useState(0)
  useEffect(() => {
    let live = true
    load().then(v => { if (live) { set(v); fail(undefined) } }, e => { if (live) fail(e) })
    const timer = every ? setTimeout(() => next(n => n + 1), every) : undefined
    return () => { live = false; clearTimeout(timer) }
  }, [turn])
  return {value, error, again: () => next(n => n + 1)}
}
