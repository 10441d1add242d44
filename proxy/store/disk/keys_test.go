package disk

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yiqiao/proxy/store"
)

// All keys that have not expired are listed in pages, those of delivered
// entries too, each once.
func TestKeys(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var want []store.Known
	for n := range 25 {
		life := time.Hour
		if n%5 == 0 {
			life = time.Minute
		}
		e := store.Entry{ID: store.NewID(now), Key: store.Key{byte(n * 37), 1}, KeyTTL: life, Lane: fmt.Sprint(n), Body: []byte("x")}
		if _, err := s.Admit(t.Context(), now, []store.Entry{e}); err != nil {
			t.Fatal(err)
		}
		if life == time.Hour {
			want = append(want, store.Known{Key: e.Key, ID: e.ID, Expires: now.Add(life)})
		}
	}
	claims, err := s.Claim(t.Context(), now, store.Want{Max: 100, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		if err := s.Settle(t.Context(), now, c, store.Outcome{Do: store.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(want, func(a, b store.Known) int { return slices.Compare(a.Key[:], b.Key[:]) })
	var got []store.Known
	for after := (store.Key{}); ; after = got[len(got)-1].Key {
		page, err := s.Keys(t.Context(), now.Add(time.Minute), after, 6)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 6 {
			break
		}
	}
	for i := range got {
		got[i].Expires = got[i].Expires.UTC()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
