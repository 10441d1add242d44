package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What records refer to and what they are, read from documents.
func TestEarlierIn(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, iface, doc  string
		earlier, identity []string
	}{
		{"nothing before", "xq", `{"xqbm":"340102001001001"}`, nil, []string{"340102001001001"}},
		{"codes in a list, and the beginning of one", "rk",
			`{"xqbm":"340102001001001","zjlxdm":111,"zjhm":"T1","jzxxList":[{"fwbm":"340102001001001001000001"},{"fwbm":"340102001001001002000002"}]}`,
			[]string{"xq 340102001001001", "ld 340102001001001001", "ld 340102001001001002", "fw 340102001001001001000001", "fw 340102001001001002000002"},
			[]string{"340102001001001", "111", "T1"}},
		{"codes joined by a comma", "cldz", `{"xqbm":"340102001001001","dzbm":"3401020010010011410001","crkbm":"3401020010010010001","zpjbms":"34010200011300000001,34010200011300000002"}`,
			[]string{"xq 340102001001001", "crk 3401020010010010001", "zpj 34010200011300000001", "zpj 34010200011300000002"}, []string{"3401020010010011410001"}},
		{"what is left out refers to nothing", "mjxt", `{"xqbm":"340102001001001","mjxtbm":"3401020010010011150001","crkbm":"","ldbm":null}`,
			[]string{"xq 340102001001001"}, []string{"3401020010010011150001"}},
		{"no identity without all of it", "rk", `{"xqbm":"340102001001001","zjlxdm":"111","zjhm":""}`, []string{"xq 340102001001001"}, nil},
		{"no document", "rk", `{"xqbm"`, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := c.Interface(tc.iface)
			var got []string
			for p, code := range i.EarlierIn([]byte(tc.doc)) {
				got = append(got, p.Of+" "+code)
			}
			if diff := cmp.Diff(tc.earlier, got); diff != "" {
				t.Errorf("earlier (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.identity, i.IdentityIn([]byte(tc.doc))); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}
