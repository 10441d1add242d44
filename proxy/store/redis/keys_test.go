package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

func openKeys(t *testing.T, url string, o Options) *Keys {
	t.Helper()
	k, err := OpenKeys(t.Context(), url, o)
	if err != nil {
		t.Fatalf("OpenKeys: %v", err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func hold(token string) store.Hold { return store.Hold{Token: token, Lease: time.Minute} }

// keyOf makes keys that fall into different partitions.
func keyOf(n int) store.Key { return store.Key{byte(n), byte(n >> 8), 7} }

func reserve(t *testing.T, k *Keys, now time.Time, h store.Hold, keys ...store.Key) (first []string, held bool) {
	t.Helper()
	first, held, err := k.Reserve(t.Context(), now, h, keys)
	if err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	return first, held
}

func confirm(t *testing.T, k *Keys, now time.Time, h store.Hold, known ...store.Known) int {
	t.Helper()
	twice, err := k.Confirm(t.Context(), now, h, known)
	if err != nil {
		t.Fatalf("Confirm: %v", err)
	}
	return twice
}

func known(key store.Key, id string, life time.Duration) store.Known {
	return store.Known{Key: key, ID: id, Expires: start().Add(life)}
}

func TestKeys(t *testing.T) {
	server := storetest.StartRedis(t, "appendfsync no")
	for _, partitions := range []int{1, 5} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			k := openKeys(t, server.URL(), Options{Prefix: fmt.Sprint("keys", partitions), Partitions: partitions})
			var keys []store.Key
			for n := range 20 {
				keys = append(keys, keyOf(n))
			}
			// Reserved by one, held for another, who gets nothing of what it asks.
			if first, held := reserve(t, k, start(), hold("a"), keys[:10]...); held || slices.ContainsFunc(first, func(s string) bool { return s != "" }) {
				t.Fatalf("Reserve = %q, held %v, want ten reserved", first, held)
			}
			if _, held := reserve(t, k, start(), hold("b"), keys[9:]...); !held {
				t.Fatal("what a holds was given to b")
			}
			if _, held := reserve(t, k, start(), hold("c"), keys[10:]...); held {
				t.Fatal("b asked for one too many and holds the others")
			}
			if _, held := reserve(t, k, start(), hold("a"), keys[:10]...); held {
				t.Error("an answer that got lost: a cannot ask again")
			}
			// Given back by its holder only.
			if err := k.GiveBack(t.Context(), hold("b"), keys); err != nil {
				t.Fatal(err)
			}
			if _, held := reserve(t, k, start(), hold("b"), keys[3]); !held {
				t.Error("b gave back what a holds")
			}
			if err := k.GiveBack(t.Context(), hold("a"), keys); err != nil {
				t.Fatal(err)
			}
			if _, held := reserve(t, k, start(), hold("b"), keys[3], keys[4]); held {
				t.Error("a gave back and b gets nothing")
			}
			// Confirmed: known to all, until it expires.
			if n := confirm(t, k, start(), hold("b"), known(keys[3], "first", time.Hour)); n != 0 {
				t.Errorf("%d admitted twice, want none", n)
			}
			at := start().Add(time.Hour - time.Second)
			if first, held := reserve(t, k, at, hold("d"), keys[3], keys[0]); held || first[0] != "first" || first[1] != "" {
				t.Errorf("Reserve = %q, held %v, want a duplicate of first and a reservation", first, held)
			}
			if first, _ := reserve(t, k, at.Add(time.Second), hold("e"), keys[3]); first[0] != "" {
				t.Errorf("an expired key is a duplicate of %q", first[0])
			}
		})
	}
}

func TestKeysAdmittedTwice(t *testing.T) {
	k := openKeys(t, storetest.StartRedis(t, "appendfsync no").URL(), Options{})
	key := keyOf(1)
	steps := []struct {
		id    string
		life  time.Duration
		twice int
	}{
		{"first", time.Hour, 0},
		{"second", time.Hour, 1}, // counted
		{"second", time.Hour, 0}, // once
		{"third", time.Hour, 1},
		{"first", 2 * time.Hour, 0}, // does not prolong
		{"second", time.Hour, 0},
	}
	for _, s := range steps {
		if n := confirm(t, k, start(), hold("x"), known(key, s.id, s.life)); n != s.twice {
			t.Errorf("Confirm of %s: %d admitted twice, want %d", s.id, n, s.twice)
		}
		if first, _ := reserve(t, k, start(), hold("y"), key); first[0] != "first" {
			t.Errorf("after %s the key is %q's, want the first's", s.id, first[0])
		}
	}
	if first, _ := reserve(t, k, start().Add(time.Hour), hold("y"), key); first[0] != "" {
		t.Errorf("confirming again prolonged the key of %q", first[0])
	}
}

// A durable entry is stronger than a reservation, whoever made that.
func TestKeysConfirmOverReservation(t *testing.T) {
	k := openKeys(t, storetest.StartRedis(t, "appendfsync no").URL(), Options{})
	reserve(t, k, start(), hold("late"), keyOf(1))
	if n := confirm(t, k, start(), hold("back again"), known(keyOf(1), "durable", time.Hour)); n != 0 {
		t.Errorf("%d admitted twice, want none", n)
	}
	if err := k.GiveBack(t.Context(), hold("late"), []store.Key{keyOf(1)}); err != nil {
		t.Fatal(err)
	}
	if first, _ := reserve(t, k, start(), hold("z"), keyOf(1)); first[0] != "durable" {
		t.Errorf("the key is %q's, want the durable entry's", first[0])
	}
	if n := confirm(t, k, start(), hold("late"), known(keyOf(1), "beside", time.Hour)); n != 1 {
		t.Errorf("%d admitted twice, want the late one", n)
	}
}

// The key of a dead letter is free for what replaces it, and for nobody else.
func TestKeysReplaced(t *testing.T) {
	k := openKeys(t, storetest.StartRedis(t, "appendfsync no").URL(), Options{})
	confirm(t, k, start(), hold("x"), known(keyOf(1), "dead", time.Hour))
	h := hold("retry")
	h.Replaces = "dead"
	if first, held := reserve(t, k, start(), h, keyOf(1), keyOf(2)); held || first[0] != "" || first[1] != "" {
		t.Fatalf("Reserve = %q, held %v", first, held)
	}
	if first, held := reserve(t, k, start(), hold("other"), keyOf(1)); held || first[0] != "dead" {
		t.Errorf("meanwhile the key is %q's, held %v, want the dead letter's", first[0], held)
	}
	if n := confirm(t, k, start(), h, known(keyOf(1), "better", time.Hour), known(keyOf(2), "second", time.Hour)); n != 0 {
		t.Errorf("%d admitted twice, want none", n)
	}
	if first, _ := reserve(t, k, start(), hold("other"), keyOf(1), keyOf(2)); first[0] != "better" || first[1] != "second" {
		t.Errorf("keys are those of %q", first)
	}
}

// The server forgets reservations when their lease ends, and keys when nobody
// asks for them any more.
func TestKeysLeaveTheServer(t *testing.T) {
	k := openKeys(t, storetest.StartRedis(t, "appendfsync no").URL(), Options{})
	h := hold("short")
	h.Lease = 50 * time.Millisecond
	reserve(t, k, start(), h, keyOf(1))
	eventually(t, func() error {
		if _, held := reserve(t, k, start(), hold("next"), keyOf(1)); held {
			return fmt.Errorf("the lease does not end")
		}
		return nil
	})
	confirm(t, k, start(), hold("next"), known(keyOf(2), "id", time.Hour))
	key := keyOf(2)
	left, err := k.s.client.PTTL(t.Context(), k.s.tag(0)+"k:"+string(key[:])).Result()
	if err != nil || left < time.Hour || left > time.Hour+keepKeys {
		t.Errorf("the key stays for %v, %v, want an hour and a little", left, err)
	}
}

func TestOpenKeysRefuses(t *testing.T) {
	for config, want := range map[string]string{
		"appendonly no":                "appendonly",
		"maxmemory-policy allkeys-lru": "maxmemory-policy",
		"requirepass secret":           "NOAUTH",
	} {
		if _, err := OpenKeys(t.Context(), storetest.StartRedis(t, config).URL(), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// A server that is away when the keys are opened is waited for; one that comes
// back and may forget keys is still refused.
func TestKeysOfServerAway(t *testing.T) {
	server := storetest.StartRedis(t)
	server.Kill()
	k := openKeys(t, server.URL(), Options{})
	if _, _, err := k.Reserve(t.Context(), start(), hold("a"), []store.Key{keyOf(1)}); err == nil {
		t.Error("a key was reserved at a server that is away")
	}
	if err := k.Ready(t.Context()); err == nil || !strings.HasPrefix(k.State(), "degraded: ") {
		t.Errorf("Ready = %v, State = %q", err, k.State())
	}
	server.Restart()
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if err := k.Ready(t.Context()); err == nil || !strings.Contains(k.State(), "maxmemory-policy") {
		t.Errorf("Ready = %v, State = %q", err, k.State())
	}
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory-policy", "noeviction")
	if err := k.Ready(t.Context()); err != nil || k.State() != "ok" {
		t.Errorf("Ready = %v, State = %q", err, k.State())
	}
	if _, held := reserve(t, k, start(), hold("a"), keyOf(1)); held {
		t.Error("the key is held")
	}
}

// A full memory refuses reservations, and lets what is durable be confirmed.
func TestKeysFullMemory(t *testing.T) {
	server := storetest.StartRedis(t)
	k := openKeys(t, server.URL(), Options{})
	reserve(t, k, start(), hold("a"), keyOf(1))
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1")
	if err := k.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Ready = %v, want that it is full", err)
	}
	if _, _, err := k.Reserve(t.Context(), start(), hold("b"), []store.Key{keyOf(2)}); err == nil || k.State() == "ok" {
		t.Errorf("Reserve = %v, State = %q", err, k.State())
	}
	if n := confirm(t, k, start(), hold("a"), known(keyOf(1), "id", time.Hour)); n != 0 {
		t.Errorf("%d admitted twice", n)
	}
	server.Do(t.Context(), "CONFIG", "SET", "maxmemory", "0")
	if err := k.Ready(t.Context()); err != nil || k.State() != "ok" {
		t.Errorf("Ready = %v, State = %q", err, k.State())
	}
}

// In a cluster the keys are spread, and one call may be for several servers.
func TestKeysInCluster(t *testing.T) {
	k := openKeys(t, storetest.StartCluster(t, 3, 0).URL(), Options{})
	var keys []store.Key
	var list []store.Known
	for n := range 100 {
		keys = append(keys, keyOf(n))
		list = append(list, known(keyOf(n), fmt.Sprint("id", n), time.Hour))
	}
	reserve(t, k, start(), hold("a"), keys...)
	if _, held := reserve(t, k, start(), hold("b"), append([]store.Key{keyOf(200)}, keys[50:]...)...); !held {
		t.Error("held keys were given to another")
	}
	if _, held := reserve(t, k, start(), hold("c"), keyOf(200)); held {
		t.Error("what b could not have whole it did not give back")
	}
	confirm(t, k, start(), hold("a"), list...)
	first, _ := reserve(t, k, start(), hold("b"), keys...)
	for n, id := range first {
		if id != fmt.Sprint("id", n) {
			t.Errorf("key %d is %q's", n, id)
		}
	}
}
