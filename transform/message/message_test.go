package message

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var gaps = regexp.MustCompile(`\{(\d)q?\}`)

func gapsOf(text string) []int {
	var list []int
	for _, m := range gaps.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

var rule = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)

// Each row says the same in both languages, as far as a machine can tell.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range tables {
		for _, r := range table {
			if seen[r.rule] || !rule.MatchString(r.rule) {
				t.Errorf("%s: want a name of its own in small letters", r.rule)
			}
			seen[r.rule] = true
			if r.en == "" || r.zh == "" || (r.hint == "") != (r.zhHint == "") {
				t.Errorf("%s: one language is missing", r.rule)
			}
			if a, b := gapsOf(r.en), gapsOf(r.zh); !slices.Equal(a, b) {
				t.Errorf("%s: English has the gaps %v, Chinese %v", r.rule, a, b)
			}
			if a, b := gapsOf(r.hint), gapsOf(r.zhHint); !slices.Equal(a, b) {
				t.Errorf("%s: the English hint has the gaps %v, the Chinese %v", r.rule, a, b)
			}
		}
	}
}

// Each row is said somewhere, each rule that is said has a row, and as many
// arguments as its row has gaps.
func TestRowsAreUsed(t *testing.T) {
	used := map[string]bool{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "transform/message/") {
			return err
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				said(t, set.Position(n.Pos()).String(), n)
			case *ast.BasicLit:
				// Rules stand in tables and go through helpers too.
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					used[s] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for rule := range index() {
		if !used[rule] {
			t.Errorf("nobody says %s", rule)
		}
	}
}

// said proves a call of New with a rule that stands in it.
func said(t *testing.T, at string, n *ast.CallExpr) {
	fun, ok := n.Fun.(*ast.SelectorExpr)
	if !ok || fun.Sel.Name != "New" || len(n.Args) == 0 || n.Ellipsis.IsValid() {
		return
	}
	if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "message" {
		return
	}
	lit, ok := n.Args[0].(*ast.BasicLit)
	if !ok {
		return
	}
	name, _ := strconv.Unquote(lit.Value)
	r, ok := find(name)
	if !ok {
		t.Errorf("%s: %s has no row", at, name)
		return
	}
	want := slices.Concat(gapsOf(r.en), gapsOf(r.hint))
	slices.Sort(want)
	if want = slices.Compact(want); len(want) != len(n.Args)-1 {
		t.Errorf("%s: %s has %d gaps and gets %d arguments", at, name, len(want), len(n.Args)-1)
	}
}

func TestFill(t *testing.T) {
	for _, tt := range []struct {
		m    Message
		l    Language
		want string
	}{
		{New("unknown-field", "stk/zpjl", "x", nil), English, `stk/zpjl has no field "x"`},
		{New("unknown-field", "stk/zpjl", "x", nil), Chinese, `stk/zpjl 没有字段 "x"`},
		{New("want", New("list"), New("nothing")), Chinese, "应为列表，实际是空值"},
		{New("want", New("list"), "x"), Chinese, "应为列表，实际是 x"},
		{New("arguments", "f", New("arguments-one"), 0, ""), Chinese, "f 要 1 个参数，实际 0 个"},
		{New("csv-key", []string{"a", "b"}), English, "the row has no a, b"},
		{New("site-choice", "x", Choice{"a", "b", "c"}, "d", nil), English, `x: want a, b or c, got "d"`},
		{New("site-choice", "x", Choice{"a"}, "d", nil), Chinese, `x：应为 a，实际是 "d"`},
		{New("answer"), English, "${ without }"},
		{Message{}, English, ""},
	} {
		if got := tt.m.In(tt.l); got != tt.want {
			t.Errorf("%s in %s: got %s, want %s", tt.m.Rule, tt.l, got, tt.want)
		}
	}
	if got, want := New("no-device-table", "d").Hint(English), "name it in yiqiao.yaml: tables: {d: tables/d.csv}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want Language
	}{
		{nil, English},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US"}, English},
		{map[string]string{"LANG": "en_US", "LC_MESSAGES": "zh_CN"}, Chinese},
		{map[string]string{"LANG": "zh_CN", "LC_ALL": "C"}, English},
		{map[string]string{"LC_ALL": "zh_TW.UTF-8", "LC_MESSAGES": "C"}, Chinese},
	} {
		if got := Environment(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: got %s", tt.env, got)
		}
	}
}
