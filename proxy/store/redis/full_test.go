package redis

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

// TestPromiseFullMemoryRefusesWhole fills the memory with entries of many
// sizes, its limit just above what is used, and proves that nothing is half
// stored, that leases still end while it stays full, even where the server has
// forgotten the scripts, and that admission resumes.
func TestPromiseFullMemoryRefusesWhole(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no")
	for _, size := range []int{0, 1, 100, 1 << 10, 10 << 10, 100 << 10, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { testFull(t, server, size) })
	}
}

func testFull(t *testing.T, server *storetest.RedisServer, size int) {
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0")
	server.Do(t.Context(), "FLUSHALL")
	s := open(t, server.URL(), Options{Partitions: 2, patience: 1})
	promises(t, s, "When the memory is full, new entries are refused whole and what waits is still delivered.")
	pair := func(n int) []store.Entry {
		out := []store.Entry{entry(2*n, fmt.Sprint(n), size), entry(2*n+1, fmt.Sprint("x", n), size)}
		out[0].Group, out[1].Group = "one", "one"
		return out
	}
	for n := range 3 {
		admit(t, s, pair(n)...)
	}
	used, err := readInfo(t.Context(), s.client, "memory")
	if err != nil {
		t.Fatal(err)
	}
	now, err := strconv.Atoi(used["used_memory"])
	if err != nil {
		t.Fatal(err)
	}
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", now+200_000)
	count, n := 6, 3
	for ; err == nil && n < 5000; n++ {
		if _, err = s.Admit(t.Context(), start(), pair(n)); err == nil {
			count += 2
		}
	}
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUncertain) {
		t.Fatalf("Admit at the limit: %v, want %v", err, store.ErrFull)
	}
	wantWhole(t, s, count)

	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1mb") // far below what is used
	server.Do(t.Context(), "SCRIPT", "FLUSH")
	claims := claim(t, s, 3)
	for i, do := range []store.Action{store.Delivered, store.Retry, store.Bury} {
		if err := s.Extend(t.Context(), start(), claims[i], time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context(), start(), claims[i], store.Outcome{Do: do, At: start()}); err != nil {
			t.Errorf("Settle %v: %v", do, err)
		}
	}
	wantStats(t, s, count-2, 1)
	wantWhole(t, s, count-1)
	refused := pair(n)
	if _, err := s.Admit(t.Context(), start(), refused); !errors.Is(err, store.ErrFull) {
		t.Errorf("Admit: %v, want %v", err, store.ErrFull)
	}
	if got := s.State(); got == "ok" {
		t.Error("the State of a full store is ok")
	}
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0")
	admit(t, s, refused...)
	wantWhole(t, s, count+1)
	if got := s.State(); got != "ok" {
		t.Errorf("State = %q, want ok", got)
	}
}
