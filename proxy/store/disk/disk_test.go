package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"yiqiao/proxy/store"
	"yiqiao/proxy/store/storetest"
)

// The test binary is also the process that is killed.
func TestMain(m *testing.M) {
	if folder := os.Getenv("YIQIAO_TEST_VICTIM"); folder != "" {
		victim(folder)
		return
	}
	if folder := os.Getenv("YIQIAO_TEST_BACKLOG"); folder != "" {
		backlog(folder)
		return
	}
	os.Exit(m.Run())
}

func open(t testing.TB, folder string, o Options) *Store {
	t.Helper()
	s, err := Open(folder, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{MaxEntry: 1 << 20}) }, storetest.Options{
		MaxEntry: 1 << 20,
		Reopen: func(t *testing.T, closed store.Store) store.Store {
			return open(t, closed.(*Store).folder, Options{MaxEntry: 1 << 20})
		},
		Small: func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{MaxBytes: 4 << 20}) },
	})
}

func entry(id, lane, key string, body []byte) store.Entry {
	e := store.Entry{ID: id, KeyTTL: time.Hour, Lane: lane, Body: body}
	copy(e.Key[:], key)
	return e
}

// Whoever comes while the disk is being synced shares the next sync.
func TestGroupCommit(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	const producers, each = 32, 10
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%02d-%02d", p, i)
				if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(name, name, name, []byte("x"))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s.commits > producers*each/2 {
		t.Errorf("%d admissions took %d commits", producers*each, s.commits)
	}
}

func TestOneProcess(t *testing.T) {
	folder := t.TempDir()
	open(t, folder, Options{})
	if _, err := Open(folder, Options{}); err == nil || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("want an error that names the folder, got %v", err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	s := open(t, folder, Options{})
	if _, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry("a", "l", "k", []byte("x"))}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
}

// A full store refuses admissions, settles, and admits again by itself.
func TestQuota(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxBytes: 10_000})
	now := time.Now()
	admit := func(id string, n int) error {
		_, err := s.Admit(t.Context(), now, []store.Entry{entry(id, "lane", id, make([]byte, n))})
		return err
	}
	if err := errors.Join(admit("a", 6_000), admit("b", 4_000)); err != nil {
		t.Fatal(err)
	}
	if err := admit("c", 1); !errors.Is(err, store.ErrFull) {
		t.Fatalf("want ErrFull, got %v", err)
	}
	claims, err := s.Claim(t.Context(), now, store.Want{Max: 1, Lease: time.Minute})
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if err := s.Settle(t.Context(), now, claims[0], store.Outcome{Do: store.Delivered}); err != nil {
		t.Fatal(err)
	}
	if err := admit("c", 1); err != nil {
		t.Errorf("want room again, got %v", err)
	}
}

// What has just landed in the index is counted once: whoever looks while
// many entries do sees no more than they are.
func TestQuotaCountsOnce(t *testing.T) {
	const producers, each = 16, 100
	body := make([]byte, 1000)
	s := open(t, t.TempDir(), Options{})
	admit := func(id string) error {
		_, err := s.Admit(t.Context(), time.Now(), []store.Entry{entry(id, id, id, body)})
		return err
	}
	if err := errors.Join(admit("first"), s.catchUp(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.opts.MaxBytes = s.counters().bytes() * (producers*each + 1)
	done := make(chan struct{})
	var looking, posting errgroup.Group
	looking.Go(func() error {
		for {
			select {
			case <-done:
				return nil
			default:
				if err := s.quota(0); err != nil {
					return err
				}
			}
		}
	})
	for p := range producers {
		posting.Go(func() error {
			for n := range each {
				if err := admit(fmt.Sprintf("%02d-%04d", p, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := errors.Join(posting.Wait(), s.catchUp(t.Context()))
	close(done)
	if err := errors.Join(err, looking.Wait()); err != nil {
		t.Error(err)
	}
	if full := s.quota(1); full == nil {
		t.Errorf("%d bytes are counted, want %d", s.counters().bytes(), s.opts.MaxBytes)
	}
}

// The log takes what the store holds, not all it ever held, and the space goes
// back to the disk.
func TestFileIsBounded(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Options{Segment: 1 << 20, still: true})
	now := time.Now()
	body := make([]byte, 200_000)
	for i := range 100 {
		now = now.Add(2 * time.Hour) // keys of an hour expire
		id := fmt.Sprintf("%03d", i)
		if _, err := s.Admit(t.Context(), now, []store.Entry{entry(id, "lane", id, body)}); err != nil {
			t.Fatal(err)
		}
		claims, err := s.Claim(t.Context(), now, store.Want{Max: 1, Lease: time.Minute})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		if err := s.Settle(t.Context(), now, claims[0], store.Outcome{Do: store.Delivered}); err != nil {
			t.Fatal(err)
		}
		if err := s.tidy(); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.Stats(t.Context(), now)
	if err != nil || st.Keys != 1 || st.Ready != 0 || st.ReadyBytes != 0 {
		t.Errorf("got %+v %v", st, err)
	}
	var keys int
	if err := s.readers.QueryRow("SELECT COUNT(*) FROM key").Scan(&keys); err != nil || keys > 2 {
		t.Errorf("%d keys are kept, %v", keys, err)
	}
	if n := folderSize(t, filepath.Join(folder, logFolder)); n > 3<<20 {
		t.Errorf("20 MB went through a store that held 0.2 MB at a time: its log has %d bytes", n)
	}
}

func folderSize(t *testing.T, folder string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewerVersion(t *testing.T) {
	folder := t.TempDir()
	s, err := Open(folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.conn.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(folder, Options{}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("want an error about the version, got %v", err)
	}
}

// victim admits, claims and settles until it is killed. It prints what was
// acknowledged: "+id" admitted, "-id" delivered.
func victim(folder string) {
	s, err := Open(folder, Options{})
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
	ctx := context.Background()
	for p := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%05d", os.Getenv("YIQIAO_TEST_LIFE"), p, i)
				if _, err := s.Admit(ctx, time.Now(), []store.Entry{entry(id, fmt.Sprint("lane", i%7), store.NewID(time.Now()), []byte(id))}); err != nil {
					fmt.Println("!", err)
				}
				fmt.Println("+" + id)
			}
		}()
	}
	for {
		claims, err := s.Claim(ctx, time.Now(), store.Want{Max: 2, Lease: time.Minute})
		if err != nil {
			fmt.Println("!", err)
		}
		for _, c := range claims {
			fmt.Println("~" + c.ID)
			if err := s.Settle(ctx, time.Now(), c, store.Outcome{Do: store.Delivered}); err != nil {
				fmt.Println("!", err)
			}
			fmt.Println("-" + c.ID)
		}
	}
}

// Whatever was acknowledged before kill -9 is there afterwards, once, with its
// body; what was settled is gone.
func TestPromiseSurvivesKill(t *testing.T) {
	folder := t.TempDir()
	admitted, begun, delivered := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for life := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "YIQIAO_TEST_VICTIM="+folder, fmt.Sprint("YIQIAO_TEST_LIFE=", life))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		quota := 50 + rand.IntN(300) // lines until the kill
		for n := 0; lines.Scan(); n++ {
			if n == quota {
				_ = cmd.Process.Kill()
			}
			switch line := lines.Text(); line[0] {
			case '+':
				admitted[line[1:]] = true
			case '~':
				begun[line[1:]] = true
			case '-':
				delivered[line[1:]] = true
			default:
				t.Error(line)
			}
		}
		_ = cmd.Wait()
	}
	if len(admitted) < 300 || len(delivered) < 50 {
		t.Fatalf("too little happened: %d admitted, %d delivered", len(admitted), len(delivered))
	}
	s := open(t, folder, Options{})
	promises(t, s, "it survives a crash of the process")
	there := map[string]bool{}
	after := ""
	for {
		list, err := s.List(t.Context(), store.Filter{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, i := range list {
			if there[i.ID] {
				t.Errorf("%s is there twice", i.ID)
			}
			there[i.ID] = true
			if body, err := s.Load(t.Context(), i.ID, nil); err != nil || string(body) != i.ID {
				t.Errorf("%s: body %q, %v", i.ID, body, err)
			}
			after = i.ID
		}
	}
	for id := range admitted {
		if !there[id] && !begun[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id := range delivered {
		if there[id] {
			t.Errorf("%s was settled and is there again", id)
		}
	}
	st, err := s.Stats(t.Context(), time.Now())
	if err != nil || st.Ready != len(there) {
		t.Errorf("%d are there, counted %d, %v", len(there), st.Ready, err)
	}
	t.Logf("%d admitted, %d delivered, %d left", len(admitted), len(delivered), len(there))
}
