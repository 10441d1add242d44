package redis

import (
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func version(n int, lane string) store.Entry {
	e := entry(n, lane, 10)
	e.Group = lane
	e.Registers, e.Digest = store.Ref{Group: lane, Key: store.Key{7, lane[0]}}, store.Key{byte(n)}
	return e
}

// A version whose answer got lost is answered as at its first admission, even
// when it was delivered meanwhile.
func TestLostAnswerOfVersion(t *testing.T) {
	s := open(t, storetest.StartRedis(t).URL(), Options{})
	for _, again := range []bool{false, true} {
		e := version(1, "a")
		e.Again = again
		for range 2 {
			if got := admit(t, s, e)[0]; got != (store.Admission{ID: e.ID}) {
				t.Fatalf("Admit = %+v, want the first admission of %s", got, e.ID)
			}
		}
		for _, c := range claim(t, s, 10) {
			if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Delivered}); err != nil {
				t.Fatal(err)
			}
		}
		if got := admit(t, s, e)[0]; got != (store.Admission{ID: e.ID}) {
			t.Fatalf("after delivery: Admit = %+v, want the first admission of %s", got, e.ID)
		}
		wantStats(t, s, 0, 0)
	}
}

// Keys of before the registrations are taken over, and older programs, which
// would not note what is accepted, are kept out from then on.
func TestLayoutBeforeRegistrations(t *testing.T) {
	url := storetest.StartRedis(t).URL()
	s := open(t, url, Options{Partitions: 3})
	old := entry(1, "a", 10)
	admit(t, s, old)
	if err := s.client.Set(t.Context(), "{yiqiao}:layout", "2 3", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, url, Options{})
	if got := s.client.Get(t.Context(), "{yiqiao}:layout").Val(); got != "3 3" {
		t.Errorf("the layout is %q, want 3 3", got)
	}
	claims := claim(t, s, 10)
	if len(claims) != 1 || claims[0].ID != old.ID {
		t.Fatalf("Claim = %+v, want %s", claims, old.ID)
	}
	if err := s.Settle(t.Context(), start(), claims[0], store.Outcome{Do: store.Delivered}); err != nil {
		t.Fatal(err)
	}
	admit(t, s, version(2, "b"))
	r, err := s.Registered(t.Context(), []store.Ref{version(2, "b").Registers})
	if err != nil || r[0].Waiting == "" || !r[0].Since.Equal(start()) {
		t.Errorf("Registered = %+v, %v", r, err)
	}
}

// More than one script's worth of refs and ids, over several partitions.
func TestManyRefs(t *testing.T) {
	s := open(t, storetest.StartRedis(t, "appendfsync no").URL(), Options{Partitions: 3})
	const n = 2*listBatch + 7
	var entries []store.Entry
	var refs []store.Ref
	var ids []string
	for i := range n {
		e := entry(i, "", 1)
		e.Lane, e.Group = e.ID, e.ID
		e.Registers = store.Ref{Group: e.ID, Key: store.Key{byte(i), byte(i >> 8), 1}}
		entries, refs, ids = append(entries, e), append(refs, e.Registers), append(ids, e.ID)
	}
	admit(t, s, entries...)
	for got := 0; got < n; {
		claims := claim(t, s, n)
		for _, c := range claims {
			if err := s.Settle(t.Context(), start(), c, store.Outcome{Do: store.Retry, At: start().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		got += len(claims)
	}
	list, err := s.Registered(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		if r.Waiting != ids[i] {
			t.Fatalf("of ref %d waits %q, want %q", i, r.Waiting, ids[i])
		}
	}
	if err := s.Hasten(t.Context(), start(), ids); err != nil {
		t.Fatal(err)
	}
	if got := len(claim(t, s, n)); got != maxClaims {
		t.Errorf("%d entries are due, want %d", got, maxClaims)
	}
}
