import {autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap} from '@codemirror/autocomplete'
import {defaultKeymap, history, historyKeymap, indentWithTab} from '@codemirror/commands'
import {yaml} from '@codemirror/lang-yaml'
import {bracketMatching, HighlightStyle, syntaxHighlighting} from '@codemirror/language'
import {lintGutter, setDiagnostics, type Diagnostic} from '@codemirror/lint'
import {EditorState, type Text} from '@codemirror/state'
import {EditorView, highlightActiveLine, keymap, lineNumbers} from '@codemirror/view'
import {tags} from '@lezer/highlight'
import type {Problem} from './api'
import {completions, type Knowledge} from './complete'

// Colours are those of style.css, so that both themes need one editor.
const colours = HighlightStyle.define([
  {tag: tags.propertyName, color: 'var(--key)'}, {tag: tags.definition(tags.propertyName), color: 'var(--key)'},
  {tag: tags.string, color: 'var(--string)'}, {tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic'},
  {tag: tags.keyword, color: 'var(--accent)'}, {tag: tags.number, color: 'var(--string)'},
])

export interface Editor {
  view: EditorView
  set(text: string): void
  problems(list: Problem[]): void
  goto(line: number, col: number): void
}

/** newEditor makes the editor of a mapping; changed hears of every new text. */
export function newEditor(parent: HTMLElement, knows: () => Knowledge, changed: (text: string) => void): Editor {
  const state = (doc: string) => EditorState.create({
    doc,
    extensions: [
      lineNumbers(), history(), bracketMatching(), closeBrackets(), highlightActiveLine(), lintGutter(),
      yaml(), syntaxHighlighting(colours),
      autocompletion({override: [completions(knows)], icons: false}),
      // Tab indents, but Escape and then Tab leaves the editor: a keyboard is not caught in it.
      keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
      EditorView.contentAttributes.of({'aria-label': '映射文件'}),
      EditorState.phrases.of({'Diagnostics': '问题', 'No diagnostics': '没有问题', 'Completions': '补全'}),
      EditorView.updateListener.of(u => { if (u.docChanged) changed(u.state.doc.toString()) }),
    ],
  })
  const view = new EditorView({parent, state: state('')})
  return {
    view,
    set(text) { view.setState(state(text)) },
    problems(list) {
      const found: Diagnostic[] = list.filter(p => p.here && p.line > 0 && p.line <= view.state.doc.lines).map(p => {
        const from = offset(view.state.doc, p.line, p.col), to = Math.max(offset(view.state.doc, p.line, p.col + p.width), from)
        return {from, to: to > from ? to : Math.min(from + 1, view.state.doc.length), severity: p.warning ? 'warning' : 'error', message: p.text + (p.hint ? '\n' + p.hint : '')}
      })
      view.dispatch(setDiagnostics(view.state, found))
    },
    goto(line, col) {
      if (line < 1 || line > view.state.doc.lines) return
      const at = offset(view.state.doc, line, col)
      view.dispatch({selection: {anchor: at}, effects: EditorView.scrollIntoView(at, {y: 'center'})})
      view.focus()
    },
  }
}

/** offset of a place whose column counts characters, as problems do; the document counts UTF-16. */
function offset(doc: Text, line: number, col: number): number {
  const l = doc.line(line)
  const before = Array.from(l.text).slice(0, Math.max(col - 1, 0)).join('')
  return Math.min(l.from + before.length, l.to)
}
