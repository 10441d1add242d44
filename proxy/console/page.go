package console

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// dist is the page as Vite builds it from ui/: npm run build there. A test
// builds it again and compares.
//
//go:embed all:dist
var dist embed.FS

//go:embed openapi.json
var openAPIText []byte

func openAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(openAPIText)
}

// page serves the page and its files, which are named by their content and so
// never change. Whatever else is asked for is a place within the page.
func page() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is constant
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		panic(err) // it is embedded
	}
	static := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "want GET", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if st, err := fs.Stat(files, name); err == nil && !st.IsDir() && name != "index.html" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			static.ServeHTTP(w, r)
			return
		}
		if name != "." && name != "" && name != "index.html" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = bytes.NewReader(index).WriteTo(w)
	})
}
