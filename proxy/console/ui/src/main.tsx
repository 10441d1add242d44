import {render} from 'preact'
import {useEffect, useState} from 'preact/hooks'
import {DeadLetters} from './pages/dead'
import {Live} from './pages/live'
import {Overview} from './pages/overview'
import {Playground} from './pages/playground'
import {Reference} from './pages/reference'
import './style.css'

const pages: {path: string; name: string; page: (p: {query: URLSearchParams}) => preact.JSX.Element}[] = [
  {path: '', name: '总览', page: Overview},
  {path: 'try', name: '调试台', page: Playground},
  {path: 'live', name: '实况', page: Live},
  {path: 'dead', name: '死信', page: DeadLetters},
  {path: 'standard', name: '规范', page: Reference},
]

/** place is where the page is: #/try?dead=…  */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?')
  return {path: path ?? '', query: new URLSearchParams(query ?? '')}
}

function App() {
  const [at, go] = useState(place())
  useEffect(() => {
    const moved = () => go(place())
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  const here = pages.find(p => p.path === at.path) ?? pages[0]!
  useEffect(() => { document.title = `${here.name} · 译桥` }, [here])
  const Page = here.page
  return <>
    <a class="skip" href="#main" onClick={e => { e.preventDefault(); document.getElementById('main')?.focus() }}>跳到内容</a>
    <header>
      <strong class="brand">译桥</strong>
      <nav aria-label="页面">
        {pages.map(p => <a key={p.path} href={'#/' + p.path} aria-current={p === here ? 'page' : undefined}>{p.name}</a>)}
      </nav>
    </header>
    <main id="main" tabIndex={-1}><Page key={here.path} query={at.query} /></main>
  </>
}

render(<App />, document.getElementById('app')!)
