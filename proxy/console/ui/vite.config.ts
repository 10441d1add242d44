import {defineConfig} from 'vite'

// The built files are committed and compared with a fresh build, so nothing in
// them may depend on the machine or the hour.
export default defineConfig({
  build: {outDir: '../dist', emptyOutDir: true, target: 'es2022', modulePreload: {polyfill: false}, assetsInlineLimit: 0},
  esbuild: {jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none'},
})
